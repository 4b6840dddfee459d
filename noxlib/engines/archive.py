"""Images in one file, as ``docker load`` and Apptainer take it; each part can be found, checked and read alone.

Its form is in ``noxlib.engines.archiveformat``.
"""

from __future__ import annotations

import hashlib
import io
from typing import IO, TYPE_CHECKING, Optional

from noxlib.engines import archiveformat, frames
from noxlib.engines.archiveformat import TRAILER, Contents, Member, folders, header, trailer
from noxlib.engines.frames import Frame
from noxlib.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

_TAIL = 64 << 20  # bytes of what describes the rest
_RATIO, _FREE = 200, 1 << 30  # an archive that becomes more than its size so many times, and 1 GB, is a bomb
_Piece = tuple[Member, int, Frame, bytes]  # its number, 0 for the header, and the bytes in the file


class Archive:
    """An archive that is open for reading; ``taken`` counts the bytes of it that were read, once each.

    Raises:
        CacheError: It is no archive of ours, or its end is damaged or missing.
    """

    def __init__(self, file: IO[bytes], name: str) -> None:
        self.name = name
        self.taken = 0
        self._seen: set[int] = set()
        self._file = file
        try:
            self.size = file.seek(0, io.SEEK_END)
            offset, length, digest = self._trailer()
            self._tail = frames.unpack_tail(self._read(offset, length), digest, _TAIL)
            self.contents = archiveformat.contents(self._tail)
            self._bounded(self.contents)
            self._at = dict(zip((member.name for member in self.contents.members), _offsets(self.contents, offset)))
        except ValueError as error:
            raise damaged(name, str(error)) from error
        self.members = {member.name: member for member in self.contents.members}

    def check(self, members: Iterable[Member]) -> None:
        """Read every byte of these members as it lies in the file; nothing is unpacked but their headers.

        Raises:
            CacheError: A byte is not what it was.
        """
        try:
            self._check_head()
            for _ in frames.side_by_side(self._checked, self._pieces(members)):
                pass
        except ValueError as error:
            raise damaged(self.name, str(error)) from error

    def whole(self, described: bytes) -> Optional[IO[bytes]]:
        """The file at its beginning, if nothing but these members describes its images; else None."""
        if not archiveformat.only_described_by(self._tail, described):
            return None
        self._file.seek(0)
        return self._file

    def content(self, member: Member) -> Iterator[bytes]:
        """A member's content with its padding, piece by piece; checked as a whole before its last piece is given.

        Raises:
            CacheError: It is not what its checksum says.
        """
        hashing, left = hashlib.sha256(), member.size
        try:
            for piece in frames.side_by_side(self._unpacked, self._pieces((member,), first=1)):
                hashing.update(memoryview(piece)[:left])
                left -= min(left, len(piece))
                if not left and hashing.hexdigest() != member.sha256:
                    raise damaged(self.name, f"{member.name} is not what its checksum says")
                yield piece
        except ValueError as error:
            raise damaged(self.name, str(error)) from error

    def extract(self, member: Member, path: Path) -> None:
        """Write a member's content to a file. Raises CacheError, OSError."""
        left = member.size
        with path.open("wb") as file:
            for piece in self.content(member):
                file.write(memoryview(piece)[:left])
                left -= min(left, len(piece))

    def _pieces(self, members: Iterable[Member], first: int = 0) -> Iterator[_Piece]:
        for member in members:
            at = self._at[member.name]
            for number, frame in enumerate(member.frames):
                if number >= first:
                    yield member, number, frame, self._read(at, frame.length)
                at += frame.length

    def _check_head(self) -> None:
        at, content = 0, b""
        for frame in self.contents.head:
            content += frames.unpack(frame, self._read(at, frame.length), self.contents.level)
            at += frame.length
        if content != folders(self.members):
            raise ValueError("its folders are not those of its files")

    def _checked(self, piece: _Piece) -> None:
        member, number, frame, data = piece
        if number == 0:
            if frames.unpack(frame, data, self.contents.level) != header(member.name, member.size):
                raise ValueError(f"{member.name} is something else than it says")
        elif hashlib.sha256(data).hexdigest() != frame.sha256:
            raise ValueError(f"{member.name} is not what it was when the archive was made")

    def _unpacked(self, piece: _Piece) -> bytes:
        return frames.unpack(piece[2], piece[3], self.contents.level)

    def _trailer(self) -> tuple[int, int, bytes]:
        if self.size < TRAILER.size:
            raise ValueError("it is no archive of nox -s testground_export, or an empty one")
        data = self._read(self.size - TRAILER.size, TRAILER.size)
        offset, length, digest = TRAILER.unpack(data)[2:5]
        if data != trailer(offset, length, digest):
            raise ValueError("it is no archive of this nox -s testground_export, or its end is missing")
        if length > _TAIL or offset + length + TRAILER.size != self.size:
            raise ValueError("its parts are not where they were")
        return offset, length, digest

    def _read(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = self._file.read(length)
        if offset not in self._seen:  # the same part is read to check it, and to load it
            self.taken += len(data)
            self._seen.add(offset)
        if len(data) != length:
            raise ValueError("it ends too early")
        return data

    def _bounded(self, contents: Contents) -> None:
        unpacked = sum(member.size for member in contents.members)
        if unpacked > self.size * _RATIO + _FREE:
            raise ValueError(f"it would become {unpacked / 1e9:.0f} GB of {self.size / 1e9:.3f} GB")


def damaged(name: str, why: str) -> CacheError:
    """The two lines of an archive that is not taken."""
    return CacheError(
        f"{name} is damaged, and nothing of it was loaded: {why}",
        "copy it again, or make it anew: nox -s testground_export",
    )


def _offsets(contents: Contents, end: int) -> list[int]:
    """Where each member begins: one after the other, without a gap. Raises ValueError."""
    offsets, at = [], sum(frame.length for frame in contents.head)
    for member in contents.members:
        offsets.append(at)
        at += sum(frame.length for frame in member.frames)
    if at != end:
        raise ValueError("its parts are not where they were")
    return offsets
