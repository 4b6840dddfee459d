"""Images in one file: what ``docker save`` gives, the same bytes for the same images, compressed, with checksums.

``docker load`` takes the file as it is: ``noxlib.json``, its last member, is passed over there.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import IO, TYPE_CHECKING, Any, Literal

import msgspec

from noxlib import atomic
from noxlib.engines.chunks import SIZE, Reader
from noxlib.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CONTENTS = "noxlib.json"
LEVEL = 3  #: of zstd: 1.2 GB become 0.4 GB in 5 s
_LIMIT = 64 << 20  # bytes of noxlib.json
_PACKED = 4096  # bytes unpacked at once; a block of 4 may become 128 KiB
_BLOBS = "blobs/sha256/"  # an image layout names its files by their own digest


class Image(msgspec.Struct, frozen=True):
    """One testground in an archive."""

    python: str
    reference: str  #: the name that it gets in an engine
    id: str  #: ``sha256:…``, as engines name the image
    fingerprint: str


class Contents(msgspec.Struct, frozen=True):
    """``noxlib.json``: which testgrounds there are, and the SHA-256 of every other member."""

    project: str
    images: tuple[Image, ...]
    members: dict[str, str] = {}
    version: int = 1


def pack(saved: Iterable[bytes], contents: Contents, target: Path) -> Contents:
    """Write an archive of what an engine saved; the contents with their checksums.

    Args:
        saved: The engine's tar, in chunks.
        contents: The testgrounds.
        target: The file, which is overwritten.

    Raises:
        OSError: It cannot be written.
        CacheError: The engine's tar is cut short.
    """
    import zstandard  # noqa: PLC0415 - only where there is an archive

    compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, threads=2)
    try:
        with target.open("wb") as file, compressor.stream_writer(file) as packed:
            return _repacked(saved, contents, packed)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk is told by the file that it happened to
        raise
    except tarfile.TarError as error:
        raise CacheError(f"what the engine saved is no whole tar: {error}", "run this again") from error


def _repacked(saved: Iterable[bytes], contents: Contents, packed: Any) -> Contents:
    members: dict[str, str] = {}
    with _opened(Reader(saved), "r|") as source, _opened(packed, "w|") as out:
        for member in source:
            members[member.name] = _copy(member, source, out)
        full = msgspec.structs.replace(contents, members=members)
        _add(out, CONTENTS, atomic.to_json(full, indent=1))
    return full


def verify(file: IO[bytes], name: str) -> Contents:
    """Read an archive to its end and check every byte; the file is left at its beginning.

    Raises:
        CacheError: It is no archive of ours, or not all of it.
    """
    import zstandard  # noqa: PLC0415 - as above

    found: dict[str, str] = {}
    told: list[Contents] = []
    try:
        reader = Reader(_unpacked(file))
        with _opened(reader, "r|") as source:
            for member in source:
                if member.name == CONTENTS and member.size <= _LIMIT:
                    told.append(atomic.from_json(_content(member, source).read(), Contents))
                else:
                    found[member.name] = _digest(member, source)
        while reader.read(SIZE):  # what pads a tar, and then the checksum of all
            pass
    except (tarfile.TarError, zstandard.ZstdError, EOFError, ValueError) as error:
        raise _damaged(name, str(error)) from error
    if len(told) != 1:
        raise _damaged(name, f"it ends before its {CONTENTS}" if not told else f"it has {CONTENTS} twice")
    _compare(told[0].members, found, name)
    file.seek(0)
    return told[0]


def _opened(file: Any, mode: Literal["r|", "w|"]) -> tarfile.TarFile:
    """A tar that is read or written in one go, in large pieces."""
    opened: Any = tarfile.open
    tar: tarfile.TarFile = opened(fileobj=file, mode=mode, bufsize=SIZE, format=tarfile.PAX_FORMAT)
    return tar


def _unpacked(file: IO[bytes]) -> Iterator[bytes]:
    """The tar in an archive, in pieces that fit into memory whatever somebody made of the file."""
    import zstandard  # noqa: PLC0415 - as above

    unpacking = zstandard.ZstdDecompressor().decompressobj()
    while chunk := file.read(_PACKED):
        data = unpacking.decompress(chunk)
        if data:
            yield data
    if not unpacking.eof or unpacking.unused_data:
        raise EOFError("it ends too early" if not unpacking.eof else "something follows its end")


def _compare(told: dict[str, str], found: dict[str, str], name: str) -> None:
    for member in sorted(told.keys() | found.keys()):
        own = member[len(_BLOBS) :] if member.startswith(_BLOBS) and found.get(member) else None
        if told.get(member) != found.get(member) or (own and own != found[member]):
            raise _damaged(name, f"{member} is not what it was when the archive was made")


def _damaged(name: str, why: str) -> CacheError:
    return CacheError(
        f"{name} is damaged, and nothing of it was loaded: {why}",
        "copy it again, or make it anew: nox -s testground_export",
    )


def _copy(member: tarfile.TarInfo, source: tarfile.TarFile, out: tarfile.TarFile) -> str:
    """Copy one member without its time and owner; its SHA-256."""
    plain = tarfile.TarInfo(member.name)
    plain.type, plain.linkname, plain.size = member.type, member.linkname, member.size
    plain.mode = 0o755 if member.isdir() else 0o644
    if not member.isreg():
        out.addfile(plain)
        return _digest(member, source)
    hashing = _Hashing(_content(member, source))
    out.addfile(plain, hashing)
    return hashing.hexdigest()


def _add(out: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    out.addfile(member, io.BytesIO(data))


def _digest(member: tarfile.TarInfo, source: tarfile.TarFile) -> str:
    """SHA-256 of a file's content; a link's is that of its target's name, and a folder's is of none."""
    if not member.isreg():
        return hashlib.sha256(member.linkname.encode("utf-8", "surrogateescape")).hexdigest()
    hashing = _Hashing(_content(member, source))
    while hashing.read(SIZE):
        pass
    return hashing.hexdigest()


def _content(member: tarfile.TarInfo, source: tarfile.TarFile) -> IO[bytes]:
    content = source.extractfile(member)
    if content is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    return content


class _Hashing:
    """A file that hashes what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.hexdigest = self._hash.hexdigest

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._hash.update(data)
        return data
