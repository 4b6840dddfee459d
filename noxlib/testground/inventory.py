"""What is in an image: its Python packages, its system's packages, read from its files in one pass, running nothing."""

from __future__ import annotations

import re
import tarfile
from typing import IO, TYPE_CHECKING, Literal

import msgspec
from packaging.utils import canonicalize_name

from noxlib.engines.chunks import SIZE, Reader
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_METADATA = re.compile(r"/(?:site|dist)-packages/[^/]+\.(?:dist-info/METADATA|egg-info/PKG-INFO)$")
_DPKG = re.compile(r"^var/lib/dpkg/(?:status|status\.d/[^/]+)$")
_SYSTEM = "usr/lib/os-release"
_HEADER = re.compile(r"/include/python[0-9.]+t?/patchlevel\.h$")
_PY_VERSION = re.compile(r'^#define\s+PY_VERSION\s+"([^"\s]+)"', re.MULTILINE)
_FIELD = re.compile(r"^([A-Za-z][A-Za-z0-9-]*):[ \t]*(.*)$")
_SETTING = re.compile(r"""^(ID|VERSION_ID)=["']?([a-z0-9._-]+)["']?$""", re.MULTILINE)
_END = 1024  # zeros at the end of a tar (POSIX.1-2001, pax)
_LIMIT = 64 << 20  # bytes of a file that is read: dpkg's status has one or two


class Package(msgspec.Struct, frozen=True, order=True):
    """One installed package. ``kind`` is where its name comes from."""

    kind: Literal["pypi", "deb"]
    name: str
    version: str
    architecture: str = ""  #: of a Debian package
    license: str = ""  #: an SPDX expression, as a Python package states it itself


class Inventory(msgspec.Struct, frozen=True):
    """What an image holds. What cannot be told is empty."""

    packages: tuple[Package, ...]  #: sorted; the same package in two places is there once
    python: str = ""  #: ``3.10.14``
    system: str = ""  #: ``debian 12``
    size: int = 0  #: bytes of all files, unpacked
    base: str = ""  #: reference of the image that it builds on
    base_digest: str = ""


def members(chunks: Iterable[bytes]) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """Name without a leading ``/`` or ``./``, and the member itself, while the tar comes.

    Raises:
        EngineError: It is cut short, or no tar.
    """
    opened: tarfile.TarFile
    last = bytearray()
    stream = Reader(_watched(chunks, last))
    try:
        with tarfile.open(fileobj=stream, mode="r|", bufsize=SIZE) as opened:  # type: ignore[call-overload]
            for member in opened:
                yield member.name.lstrip("/").removeprefix("./"), member, opened
        while stream.read(SIZE):  # what pads it
            pass
        if last != bytes(_END):  # tarfile takes one that is cut in a header for one that ends there
            raise tarfile.ReadError("it has no end")
    except tarfile.TarError as error:
        raise EngineError(f"the engine's tar of an image cannot be read: {error}", "run this again") from error


def _watched(chunks: Iterable[bytes], last: bytearray) -> Iterator[bytes]:
    """The chunks; ``last`` holds the end of what has come so far."""
    for chunk in chunks:
        last[:] = chunk[-_END:] if len(chunk) >= _END else (last + chunk)[-_END:]
        yield chunk


def take(chunks: Iterable[bytes]) -> Inventory:
    """The inventory of an image's file system, given as a tar. Raises EngineError."""
    packages: set[Package] = set()
    python, system, size = "", "", 0
    for name, member, tar in members(chunks):
        if not member.isreg():
            continue
        size += member.size
        if _METADATA.search(f"/{name}"):
            packages.update(_python_package(text(tar, member)))
        elif _DPKG.match(name):
            packages.update(_debian_packages(text(tar, member)))
        elif name == _SYSTEM:
            found = dict(_SETTING.findall(text(tar, member)))
            system = f"{found.get('ID', '')} {found.get('VERSION_ID', '')}".strip()
        elif not python and _HEADER.search(f"/{name}"):
            header = _PY_VERSION.search(text(tar, member))
            python = header[1].rstrip("+") if header else ""
    return Inventory(tuple(sorted(packages)), python, system, size)


def text(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    """The text of a file in an image's tar, at which the tar is at this moment."""
    content: IO[bytes] | None = tar.extractfile(member)
    return content.read(_LIMIT).decode("utf-8", "replace") if content is not None else ""


def _fields(text: str) -> dict[str, str]:
    """The fields of one stanza, up to the first empty line; a field's further lines are left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        if not line.strip():
            break
        field = _FIELD.match(line)
        if field:
            found.setdefault(field[1].lower(), field[2].strip())
    return found


def _python_package(text: str) -> Iterator[Package]:
    """The core metadata of a distribution (https://packaging.python.org/specifications/core-metadata)."""
    found = _fields(text)
    if found.get("name") and found.get("version"):
        yield Package(
            "pypi", canonicalize_name(found["name"]), found["version"], license=found.get("license-expression", "")
        )


def _debian_packages(text: str) -> Iterator[Package]:
    for stanza in re.split(r"\n[ \t]*\n", text):
        found = _fields(stanza.lstrip("\n"))
        installed = found.get("status", "install ok installed").endswith(" installed")  # distroless states none
        if installed and found.get("package") and found.get("version"):
            yield Package("deb", found["package"], found["version"], found.get("architecture", ""))
