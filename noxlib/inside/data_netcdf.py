"""NetCDF files of the classic format, 64-bit offset variant, written without a dependency.

Format: https://docs.unidata.ucar.edu/netcdf-c/current/file_format_specifications.html. All numbers are big-endian.
A file holds a temperature on a grid, packed into 16-bit integers as climate data are: ``scale_factor``, ``add_offset``.
"""

from __future__ import annotations

import array
import struct
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSION, VARIABLE, ATTRIBUTE = 10, 11, 12
CHAR, SHORT, DOUBLE = 2, 3, 6
LATITUDES, LONGITUDES = 8, 16
STEP = 8 + 2 * LATITUDES * LONGITUDES  # bytes of one time: its coordinate, and its field of 16-bit integers
COORDINATES = 8 * (LATITUDES + LONGITUDES)
LONG = (1 << 32) - 1  # the size of a variable that does not fit its field


class Shape(NamedTuple):
    """What fills a size to the byte."""

    header: bytes
    times: int
    rest: int  #: bytes behind the data, up to 3: the format counts by 4


def shape(size: int) -> Shape:
    """The header of a file of that many bytes. Raises ValueError below ``LEAST``."""
    left = size - len(_header(1, 0)) - COORDINATES
    times = left // STEP
    if times < 1:
        raise ValueError(f"a NetCDF file of ours has at least {LEAST} bytes, not {size}")
    padding, rest = divmod(left - times * STEP, 4)
    return Shape(_header(times, 4 * padding), times, rest)


def before_field(found: Shape) -> Iterator[bytes]:
    """The file's bytes up to the temperature, which has ``field_size`` bytes."""
    yield found.header
    # In pieces, so that a large file needs no large memory.
    for begin in range(0, found.times, 1 << 16):
        hours = array.array("d", range(begin, min(begin + (1 << 16), found.times)))
        if sys.byteorder == "little":
            hours.byteswap()
        yield hours.tobytes()
    yield struct.pack(f">{LATITUDES}d", *(-87.5 + 25 * number for number in range(LATITUDES)))
    yield struct.pack(f">{LONGITUDES}d", *(22.5 * number for number in range(LONGITUDES)))


def field_size(found: Shape) -> int:
    """Bytes of the temperature."""
    return found.times * (STEP - 8)


def _header(times: int, padding: int) -> bytes:
    dimensions = [("time", times), ("lat", LATITUDES), ("lon", LONGITUDES)]
    attributes = [("Conventions", "CF-1.8"), ("title", "made by noxlib for tests"), ("comment", "x" * padding)]
    head = b"CDF\x02" + struct.pack(">i", 0)  # no record dimension
    head += struct.pack(">ii", DIMENSION, len(dimensions))
    head += b"".join(_name(name) + struct.pack(">i", length) for name, length in dimensions)
    head += _attributes(attributes)
    return head + _variables(times, len(head) + len(_variables(times, 0)))


def _variables(times: int, begin: int) -> bytes:
    """The list of variables, whose data begin at that byte. Its length is the same whatever that is."""
    since = "hours since 2024-01-01 00:00:00"
    packed: list[tuple[str, str | float]] = [
        ("units", "K"),
        ("standard_name", "air_temperature"),
        ("scale_factor", 0.002),
        ("add_offset", 273.15),
    ]
    variables: list[tuple[str, list[int], list[tuple[str, str | float]], int, int]] = [
        ("time", [0], [("units", since), ("standard_name", "time")], DOUBLE, 8 * times),
        ("lat", [1], [("units", "degrees_north")], DOUBLE, 8 * LATITUDES),
        ("lon", [2], [("units", "degrees_east")], DOUBLE, 8 * LONGITUDES),
        ("temperature", [0, 1, 2], packed, SHORT, 2 * times * LATITUDES * LONGITUDES),
    ]
    found = struct.pack(">ii", VARIABLE, len(variables))
    for name, dimensions, attributes, type_, size in variables:
        found += _name(name) + struct.pack(f">i{len(dimensions)}i", len(dimensions), *dimensions)
        found += _attributes(attributes) + struct.pack(">iIq", type_, min(size, LONG), begin)
        begin += size
    return found


def _attributes(attributes: Sequence[tuple[str, str | float]]) -> bytes:
    found = struct.pack(">ii", ATTRIBUTE, len(attributes))
    for name, value in attributes:
        if isinstance(value, str):
            found += _name(name) + struct.pack(">ii", CHAR, len(value)) + _padded(value.encode("ascii"))
        else:
            found += _name(name) + struct.pack(">iid", DOUBLE, 1, value)
    return found


def _name(name: str) -> bytes:
    return struct.pack(">i", len(name)) + _padded(name.encode("ascii"))


def _padded(text: bytes) -> bytes:
    return text + b"\0" * (-len(text) % 4)


LEAST = len(_header(1, 0)) + COORDINATES + STEP  #: bytes of the smallest file
