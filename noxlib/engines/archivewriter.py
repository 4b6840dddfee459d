"""Writing an archive: the same images give the same bytes, whatever engine saved them in whatever order."""

from __future__ import annotations

import hashlib
from typing import IO, TYPE_CHECKING

import msgspec

from noxlib import atomic
from noxlib.engines import frames, imagelayout
from noxlib.engines.archiveformat import BLOCK, CONTENTS, Contents, Member, folders, header, member_of, trailer
from noxlib.engines.chunks import SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.engines.saved import Piece


def write(out: IO[bytes], contents: Contents, pieces: Mapping[str, Piece], aside: IO[bytes]) -> Contents:
    """Write an archive; its contents with all members.

    Args:
        out: The file.
        contents: Its images, what they are based on, and the level at which the pieces are packed.
        pieces: The members by name.
        aside: The file in which they lie packed.

    Raises:
        OSError: It cannot be written.
    """
    first, data = frames.pack(folders(pieces), contents.level)
    out.write(data)
    members = tuple(_member(out, name, pieces[name], aside, contents.level) for name in sorted(pieces))
    full = msgspec.structs.replace(
        contents, head=(first,), members=members, zstd=frames.library() if contents.level else ""
    )
    described = imagelayout.describe({image.reference: image for image in full.images})
    tail = b"".join(member_of(name, data) for name, data in {**described, CONTENTS: atomic.to_json(full)}.items())
    frame, data = frames.pack(tail + bytes(2 * BLOCK), contents.level)
    offset = out.tell()
    out.write(data)
    out.write(trailer(offset, frame.length, hashlib.sha256(data).digest()))
    return full


def _member(out: IO[bytes], name: str, piece: Piece, aside: IO[bytes], level: int) -> Member:
    frame, data = frames.pack(header(name, piece.size), level)
    out.write(data)
    aside.seek(piece.start)
    left = piece.length
    while left:
        chunk = aside.read(min(SIZE, left))
        out.write(chunk)
        left -= len(chunk)
    return Member(name, piece.size, piece.sha256, (frame, *piece.frames))
