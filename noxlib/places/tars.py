"""Tar streams to an engine and back: where it cannot see this machine's files, and what a test left is hostile."""

from __future__ import annotations

import tarfile
import tempfile
from typing import IO, TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK = 1 << 20


def pack(entries: Iterable[tuple[str, Path]], uid: int, gid: int) -> IO[bytes]:
    """A tar on disk, at its beginning, of files and folders (each alone, not what it holds) under their names there.

    Raises:
        OSError: A file cannot be read, or the disk is full.
    """

    def owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid, member.gid, member.uname, member.gname = uid, gid, "", ""
        return member

    stream = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, path in entries:
            tar.add(path, arcname=name, recursive=False, filter=owned)
    stream.seek(0)
    return stream


def folder(name: str, path: Path) -> Iterator[tuple[str, Path]]:
    """A file, or a folder and all that it holds, as entries for ``pack``; links are not followed."""
    yield name, path
    if path.is_dir():
        for child in sorted(path.iterdir()):
            if child.is_symlink() or not child.is_dir():
                yield f"{name}/{child.name}", child
            else:
                yield from folder(f"{name}/{child.name}", child)


def members(chunks: Iterable[bytes]) -> Iterator[tuple[str, tarfile.TarInfo, tarfile.TarFile]]:
    """The files, links and folders of a tar stream, by a path that can only lead below the folder asked for.

    The engine names what it packs by the last part of the path asked for; that part is taken off.
    """
    with tarfile.open(fileobj=cast("IO[bytes]", _Reader(chunks)), mode="r|", bufsize=CHUNK) as tar:
        for member in tar:
            parts = [part for part in member.name.split("/") if part not in ("", ".")][1:]
            known = member.isreg() or member.issym() or member.isdir()
            if known and ".." not in parts:
                yield "/".join(parts), member, tar


def unpack(chunks: Iterable[bytes], target: Path) -> None:
    """Write the folders and regular files of a tar stream below ``target``; links are left out. Raises OSError."""
    for relative, member, tar in members(chunks):
        path = target / relative
        if member.isdir():
            path.mkdir(parents=True, exist_ok=True)
        elif member.isreg():
            save(member, tar, path)


def save(member: tarfile.TarInfo, tar: tarfile.TarFile, path: Path) -> None:
    """Write one regular file of a tar stream. Raises OSError."""
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as out:
        while chunk := source.read(CHUNK):
            out.write(chunk)
    path.chmod(member.mode & 0o777)


class _Reader:
    """Chunks as a file, which tarfile wants."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                break
            self._rest += chunk
        wanted, self._rest = self._rest[:size], self._rest[size:]
        return wanted
