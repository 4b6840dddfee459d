"""What an engine saves, packed as it comes: docker and podman have other names and another order for the same.

A name that is a digest means the same content in each tar of one engine.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from typing import IO, TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines import frames, imagelayout
from noxlib.engines.archiveformat import Descriptor, padding
from noxlib.engines.chunks import SIZE, Reader
from noxlib.engines.frames import Frame
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_MANIFEST = "manifest.json"
_LIMIT = 64 << 20  # bytes of it
_BY_CONTENT = re.compile(r"(^|/)[0-9a-f]{64}(\.tar|\.json)?$")


class Piece(msgspec.Struct, frozen=True):
    """Content that lies packed in a file."""

    sha256: str
    size: int
    start: int  #: offset in that file
    frames: tuple[Frame, ...]
    first: bytes = b""  #: of the content, which says what it is

    @property
    def length(self) -> int:
        """Bytes in that file."""
        return sum(frame.length for frame in self.frames)


class _Entry(msgspec.Struct):
    """One image in ``manifest.json``."""

    config: str = msgspec.field(name="Config")
    layers: tuple[str, ...] = msgspec.field(name="Layers")
    tags: Optional[tuple[str, ...]] = msgspec.field(name="RepoTags", default=None)


class Saved:
    """The images of an engine's tars.

    Args:
        tars: Of one image or several each, in chunks; what they share is read once.
        aside: A file in which its content is kept, packed.
        level: Of zstd; 0: not packed.

    Raises:
        EngineError: It is cut short, or no tar of images.
        OSError: The file cannot be written.
    """

    def __init__(self, tars: Iterable[Iterable[bytes]], aside: IO[bytes], level: int = frames.LEVEL) -> None:
        self._level = level
        self.pieces: dict[str, Piece] = {}  #: by ``sha256:…`` of their content
        self._named: dict[str, Piece] = {}
        self._links: dict[str, str] = {}
        self._entries: list[_Entry] = []
        for chunks in tars:
            self._read(chunks, aside)
        if not self._entries:
            raise EngineError("the engine saved no image", "run this again")

    def image(self, reference: str) -> tuple[Descriptor, tuple[Descriptor, ...]]:
        """Configuration and layers of an image. Raises EngineError where the engine did not save it."""
        for entry in self._entries:
            # podman calls an image of no registry localhost/…
            if any(tag == reference or tag.endswith(f"/{reference}") for tag in entry.tags or ()):
                layers = tuple(self._blob(name) for name in entry.layers)
                return self._blob(entry.config, imagelayout.CONFIG), layers
        raise EngineError(f"the engine did not save {reference}", "see the engine's own log, then run this again")

    def _read(self, chunks: Iterable[bytes], aside: IO[bytes]) -> None:
        try:
            opened: Any = tarfile.open
            with opened(fileobj=Reader(chunks), mode="r|", bufsize=SIZE) as tar:
                for member in tar:
                    self._take(member, tar, aside)
        except (tarfile.TarError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise EngineError(f"what the engine saved is no whole tar of images: {error}", "run this again") from error

    def _take(self, member: tarfile.TarInfo, tar: tarfile.TarFile, aside: IO[bytes]) -> None:
        name = posixpath.normpath(member.name)
        if member.issym() or member.islnk():
            above = posixpath.dirname(name) if member.issym() else ""
            self._links[name] = posixpath.normpath(posixpath.join(above, member.linkname))
            return
        content: Any = tar.fileobj  # read in order, as here, it is at the member's content: a few copies less
        if not member.isreg() or (_BY_CONTENT.search(name) and name in self._named):
            return
        if name == _MANIFEST and member.size <= _LIMIT:
            self._entries += msgspec.json.decode(content.read(member.size), type=list[_Entry])
            return
        piece = pack(content, member.size, aside, self._level)
        self._named[name] = self.pieces[f"sha256:{piece.sha256}"] = piece

    def _blob(self, name: str, media: str = "") -> Descriptor:
        normal = posixpath.normpath(name)
        piece = self._named.get(self._links.get(normal, normal))
        if piece is None:
            raise EngineError(f"what the engine saved lacks {normal}", "run this again")
        return Descriptor(f"sha256:{piece.sha256}", piece.size, media or imagelayout.layer_media(piece.first))


def pack(content: IO[bytes], size: int, aside: IO[bytes], level: int = frames.LEVEL) -> Piece:
    """Pack so many bytes to the end of a file, padded as a tar pads them.

    Raises:
        OSError: The file cannot be written.
        tarfile.ReadError: There are fewer.
    """
    hashing, start, found, first = hashlib.sha256(), aside.tell(), [], b""

    def pieces() -> Iterator[bytes]:
        nonlocal first
        left = size
        while left:
            data = content.read(min(frames.SIZE, left))
            if not data:
                raise tarfile.ReadError("unexpected end of data")
            first = first or data[:4]
            hashing.update(data)
            left -= len(data)
            yield data if left else data + padding(size)  # a frame's size is a multiple of a block

    for frame, data in frames.side_by_side(lambda data: frames.pack(data, level), pieces()):
        aside.write(data)
        found.append(frame)
    return Piece(hashing.hexdigest(), size, start, tuple(found), first)
