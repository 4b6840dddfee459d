"""Tar streams to an engine and back: where it cannot see this machine's files, and what a test left is hostile."""

from __future__ import annotations

import contextlib
import errno
import tarfile
import tempfile
from typing import IO, TYPE_CHECKING, cast

from noxlib.engines import chunks as streams
from noxlib.errors import EngineError, of_machine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

CHUNK = streams.SIZE
OF_THE_TAR = (errno.ENAMETOOLONG, errno.ELOOP)  #: whose names and links they are


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

    The engine names what it packs by the last part of the path asked for; that part is taken off. Of an empty stream,
    which stands for a path that is not there, nothing comes.

    Raises:
        EngineError: The stream is no tar, or not all of one.
    """
    reader = streams.Reader(chunks)
    if reader.is_empty:
        return
    with whole(), tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|", bufsize=CHUNK) as tar:
        for member in tar:
            parts = [part for part in member.name.split("/") if part not in ("", ".")][1:]
            known = member.isreg() or member.issym() or member.isdir()
            if known and ".." not in parts and "\0" not in member.name:
                yield "/".join(parts), member, tar


def unpack(chunks: Iterable[bytes], target: Path) -> None:
    """Write the folders and regular files of a tar stream below ``target``; links are left out.

    Raises:
        OSError: This machine refuses it.
        EngineError: The stream is no tar, not all of one, or names what no folder can hold.
    """
    for relative, member, tar in members(chunks):
        path = target / relative
        if member.isdir():
            with whole():
                path.mkdir(parents=True, exist_ok=True)
        elif member.isreg():
            save(member, tar, path)


def save(member: tarfile.TarInfo, tar: tarfile.TarFile, path: Path) -> None:
    """Write one regular file of a tar stream. Raises what ``unpack`` raises."""
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    with whole(), source:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as out:
            while chunk := source.read(CHUNK):
                out.write(chunk)
        path.chmod(member.mode & 0o777)


@contextlib.contextmanager
def whole() -> Iterator[None]:
    """What somebody's tar makes fail is told in two lines; what this machine refuses (a full disk) is left as it is.

    Raises:
        EngineError: The tar is cut short, or has a file where it has a folder, or names that cannot be.
    """
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise _damaged(error) from error
    except OSError as error:
        if error.errno not in OF_THE_TAR and of_machine(error) is not None:
            raise
        raise _damaged(error) from error


def _damaged(error: Exception) -> EngineError:
    return EngineError(f"the files that came back are no whole tar: {error}", "run this again")
