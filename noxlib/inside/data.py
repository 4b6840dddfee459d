"""Test data: archives, folders and files of a given size, the same for the same seed and VERSION.

The layout is that of a simulation's output: every tenth file is ``data/output_%04d.nc``, else every fifth
``logs/run_%04d.log``, else ``results/file_%04d.dat``.
"""

from __future__ import annotations

import functools
import hashlib
import os
import tarfile
from typing import TYPE_CHECKING, Any, NamedTuple

from . import data_netcdf
from .data_gzip import Gzip
from .faults import is_number

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1  #: of what is made: raised when its bytes change
FORMS = ("tar.gz", "tar", "files", "nc")
MB = 1 << 20
LEAST = data_netcdf.LEAST  #: bytes of a file: what a NetCDF file needs
MOST = 1 << 20  #: files
LARGEST = 1 << 24  #: MB
PIECE = 1 << 20  #: bytes that are made, compressed and written at once
POOL = 4 << 20
MODIFIED = 1704067200  # 2024-01-01: of every file in an archive
NAMES = {"nc": "data/output_{:04d}.nc", "log": "logs/run_{:04d}.log", "dat": "results/file_{:04d}.dat"}
LINES = (
    "INFO: Simulation started",
    "DEBUG: Processing timestep",
    "WARNING: High memory usage",
    "INFO: Checkpoint saved",
)


class Wanted(NamedTuple):
    """What is to be made; see ``wanted``."""

    form: str
    size: int  #: bytes of all files together
    files: int
    compressible: bool
    seed: int

    @property
    def key(self) -> str:
        """The same for the same bytes, as a key of the cache."""
        kind = "compressible" if self.compressible else "incompressible"
        return f"{self.form}-{self.size}-{self.files}-{kind}-{self.seed}-v{VERSION}"

    @property
    def name(self) -> str:
        """Of the one file or folder."""
        return {"files": "files", "nc": "output_0000.nc"}.get(self.form, f"archive.{self.form}")


class Entry(NamedTuple):
    """One file: its kind is ``nc``, ``log`` or ``dat``."""

    number: int
    kind: str
    size: int

    @property
    def name(self) -> str:
        return NAMES[self.kind].format(self.number)


def wanted(
    form: str = "tar.gz", mb: Any = 10, files: Any = 100, *, compressible: bool = False, seed: Any = 0
) -> Wanted:
    """What is to be made, once it makes sense. Raises ValueError where it does not.

    Args:
        form: One of FORMS: an archive, a folder of plain files, or one NetCDF file.
        mb: Size of all files together, in MB of 2**20 bytes; may be a fraction.
        files: Their number.
        compressible: To a small part, instead of not at all. Log files are compressible always.
        seed: A whole number from 0 to 2**63 - 1.
    """
    if form not in FORMS:
        raise ValueError(f"there is no form {form!r}; there are {', '.join(FORMS)}")
    if not is_number(mb) or not 0 < mb <= LARGEST:
        raise ValueError(f"the size must be a number of MB above 0 and at most {LARGEST}, found {mb!r}")
    if type(files) is not int or not 0 < files <= MOST:
        raise ValueError(f"the number of files must be a whole number from 1 to {MOST}, found {files!r}")
    if type(seed) is not int or not 0 <= seed < 1 << 63:
        raise ValueError(f"the seed must be a whole number from 0 to 2**63 - 1, found {seed!r}")
    size, count = int(mb * MB), 1 if form == "nc" else files
    if size // count < LEAST:
        raise ValueError(f"{mb} MB are too few for {count} files: each has at least {LEAST} bytes")
    return Wanted(form, size, count, bool(compressible), seed)


def entries(what: Wanted) -> Iterator[Entry]:
    """The files, whose sizes come to the whole to the byte."""
    each, more = divmod(what.size, what.files)
    for number in range(what.files):
        kind = "nc" if number % 10 == 0 else "log" if number % 5 == 0 else "dat"
        yield Entry(number, kind, each + (number < more))


def make(what: Wanted, path: str) -> None:
    """Make it at a path where nothing is. Raises OSError, for instance where the disk is full."""
    if what.form == "files":
        os.mkdir(path)
        for entry in entries(what):
            file = os.path.join(path, entry.name)
            os.makedirs(os.path.dirname(file), exist_ok=True)
            _write(file, content(what, entry))
    elif what.form == "nc":
        _write(path, content(what, next(entries(what))))
    elif what.form == "tar":
        _write(path, (data for data, _ in archive(what)))
    else:
        with Gzip() as compressed:
            _write(path, compressed.stream(archive(what)))


def archive(what: Wanted) -> Iterator[tuple[bytes, bool]]:
    """The bytes of a tar archive in pieces, each with whether it is worth compressing."""
    total = 0
    for entry in entries(what):
        info = tarfile.TarInfo(entry.name)
        info.size, info.mtime = entry.size, MODIFIED
        yield info.tobuf(tarfile.GNU_FORMAT), True
        worth = what.compressible or entry.kind == "log"
        yield from ((piece, worth) for piece in content(what, entry))
        yield bytes(-entry.size % tarfile.BLOCKSIZE), True
        total += tarfile.BLOCKSIZE + entry.size + -entry.size % tarfile.BLOCKSIZE
    end = 2 * tarfile.BLOCKSIZE
    yield bytes(end + -(total + end) % tarfile.RECORDSIZE), True


def content(what: Wanted, entry: Entry) -> Iterator[bytes]:
    """The bytes of one file, in pieces."""
    if entry.kind == "log":
        yield from repeated(log(what.seed, entry.number), entry.size)
        return
    if entry.kind == "dat":
        yield from _payload(what, entry.number, entry.size)
        return
    shape = data_netcdf.shape(entry.size)
    yield from data_netcdf.before_field(shape)
    yield from _payload(what, entry.number, data_netcdf.field_size(shape))
    yield bytes(shape.rest)


def _payload(what: Wanted, number: int, size: int) -> Iterator[bytes]:
    if what.compressible:
        return repeated(smooth(what.seed, number), size)
    return random(what.seed, number, size)


def random(seed: int, number: int, size: int) -> Iterator[bytes]:
    """Bytes that no compressor makes smaller.

    They are pieces of a pool of random bytes, each with its bytes renamed in a way of its own: so nothing repeats, and
    it is several times as fast as any generator of the standard library.
    """
    bytes_ = pool(seed)
    for at in range(0, size, PIECE):
        length = min(PIECE, size - at)
        chance = hashlib.blake2b(f"{number}/{at}".encode(), digest_size=8, key=seed.to_bytes(8, "big")).digest()
        odd, plus, begin = chance[0] | 1, chance[1], int.from_bytes(chance[2:], "big") % (POOL - length + 1)
        renamed = bytes((odd * byte + plus) & 255 for byte in range(256))
        yield bytes_[begin : begin + length].translate(renamed)


@functools.lru_cache(maxsize=1)
def pool(seed: int) -> bytes:
    return hashlib.shake_128(b"noxlib test data %d, seed %d" % (VERSION, seed)).digest(POOL)


def smooth(seed: int, number: int) -> bytes:
    """A field that changes slowly, as 16-bit integers: compressible as real fields are."""
    start, step = seed % 977 + number % 613, 3 + (seed + number) % 5
    values = bytearray()
    for at in range(1 << 12):
        values += ((start + step * (at // 16) + at % 3) % 30000).to_bytes(2, "big")
    return bytes(values)


def log(seed: int, number: int) -> bytes:
    """A few hundred lines of a log, different in each file."""
    lines = []
    for at in range(512):
        minute, second = divmod(at * 7 + seed % 60, 60)
        text = f"2024-01-01 {minute // 60:02d}:{minute % 60:02d}:{second:02d} {LINES[at % 4]} {number}.{at}\n"
        lines.append(text)
    return "".join(lines).encode("ascii")


def repeated(block: bytes, size: int) -> Iterator[bytes]:
    """A block again and again, cut at a size."""
    whole = block * (PIECE // len(block))
    for at in range(0, size, len(whole)):
        yield whole[: size - at]


def _write(path: str, pieces: Iterator[bytes]) -> None:
    with open(path, "xb", buffering=0) as stream:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[stream.write(view) :]
