"""The form of an archive: what describes it, the trailer, headers of a tar. Pure.

The file is a tar (an OCI image layout, with docker's ``manifest.json``) in zstd frames: a member's header is one frame,
its content the next ones; the last frame holds what describes the rest, ``noxlib.json`` among it. A skippable frame
ends the file and says where that last frame is. So each byte is under a SHA-256, of ``noxlib.json`` or of the trailer.
A plain tar is made in the same way of frames that are not packed: readers of tar pass over what follows its end.
"""

from __future__ import annotations

import io
import re
import struct
import tarfile
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic
from noxlib.engines import frames
from noxlib.engines.frames import Frame

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTENTS = "noxlib.json"
BLOBS = "blobs/sha256/"  #: an image layout names its files by their own digest
FILES = "noxlib/"  #: what is no part of an image
BLOCK = 512  #: of a tar
_MARK = b"noxlib archive 2"
TRAILER = struct.Struct("<IIQI32s16s")  #: magic, length of the rest; offset, length and SHA-256 of the last frame; mark
_SKIPPABLE = 0x184D2A50  # RFC 8878, section 3.1.2: a reader of zstd passes over such a frame
_NAME = re.compile(rf"{BLOBS}[0-9a-f]{{64}}|{FILES}[a-z]+(/(?!\.)[A-Za-z0-9._+!-]{{1,200}}){{1,3}}")
_HEX = re.compile(r"[0-9a-f]{64}")
_PYTHON = re.compile(r"(pypy)?3\.[0-9]+t?")


class Member(msgspec.Struct, frozen=True):
    """One file of the tar. The first frame is its header, the others its content, padded as a tar pads it."""

    name: str
    size: int
    sha256: str  #: of its content
    frames: tuple[Frame, ...]


class Descriptor(msgspec.Struct, frozen=True):
    """A blob of an image; of a delta it may lie elsewhere."""

    digest: str  #: ``sha256:…``
    size: int
    media: str  #: media type

    @property
    def name(self) -> str:
        """Its file in an archive."""
        return BLOBS + self.digest.partition(":")[2]


class Image(msgspec.Struct, frozen=True):
    """One image in an archive."""

    python: str
    reference: str  #: the name that it gets where nobody says another
    fingerprint: str
    config: Descriptor
    layers: tuple[Descriptor, ...]
    builder: bool = False  #: what builds the project, not what its tests run in

    @property
    def id(self) -> str:
        """``sha256:…``, as docker names the image."""
        return self.config.digest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """All that it is made of."""
        return (self.config, *self.layers)

    @property
    def digests(self) -> tuple[str, ...]:
        """Of its layers, lowest first."""
        return tuple(layer.digest for layer in self.layers)


class Base(msgspec.Struct, frozen=True):
    """An image that a delta needs, as it does not hold all of its own layers."""

    python: str
    reference: str
    id: str


class Contents(msgspec.Struct, frozen=True):
    """``noxlib.json``: which testgrounds there are, and every member before it in their order."""

    project: str
    images: tuple[Image, ...]
    members: tuple[Member, ...] = ()
    base: tuple[Base, ...] = ()  #: of a delta
    head: tuple[Frame, ...] = ()  #: the folders of the tar, before all members
    zstd: str = ""  #: version of the library that packed it: another one may give other bytes
    level: int = frames.LEVEL  #: 0: a plain tar, whose frames are as they are
    piece: int = frames.SIZE
    version: int = 2


def trailer(offset: int, length: int, digest: bytes) -> bytes:
    """What ends an archive: where its last frame is, and the SHA-256 of that."""
    return TRAILER.pack(_SKIPPABLE, TRAILER.size - 8, offset, length, digest, _MARK)


def header(name: str, size: int) -> bytes:
    """The tar header of a plain file; of the same name and size always the same."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def folders(names: Iterable[str]) -> bytes:
    """The tar headers of all folders in which these members lie: some readers make none by themselves."""
    every = {str(folder) for name in names for folder in PurePosixPath(name).parents} - {"."}
    entries = []
    for name in sorted(every):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        entries.append(entry.tobuf(tarfile.PAX_FORMAT))
    return b"".join(entries)


def padding(size: int) -> bytes:
    """What a tar puts after so many bytes of content."""
    return bytes(-size % BLOCK)


def member_of(name: str, data: bytes) -> bytes:
    """A small member as a tar has it."""
    return header(name, len(data)) + data + padding(len(data))


def contents(tail: bytes) -> Contents:
    """``noxlib.json`` of the last frame, with nothing in it that could lead elsewhere. Raises ValueError."""
    data = _find(tail)
    if data is None:
        raise ValueError(f"it has no {CONTENTS}")
    found = atomic.from_json(data, Contents)
    names = [member.name for member in found.members]
    for member in found.members:
        _check_member(member)
    if len(set(names)) != len(names):
        raise ValueError("it has a member twice")
    for image in found.images:
        digests = [blob.digest.partition(":") for blob in image.blobs]
        hexadecimal = [image.fingerprint, *(digest[2] for digest in digests)]
        if not (all(map(_HEX.fullmatch, hexadecimal)) and _PYTHON.fullmatch(image.python)):
            raise ValueError(f"{image.reference!r} is no image of ours")
    if not all(map(frames.sound, found.head)):
        raise ValueError("its folders have not the size that they say")
    return found


def only_described_by(tail: bytes, described: bytes) -> bool:
    """Whether a last frame holds these members, ``noxlib.json``, and nothing else."""
    rest = tail[len(described) :]
    try:
        size = tarfile.TarInfo.frombuf(rest[:BLOCK], "utf-8", "strict").size
    except tarfile.TarError:
        return False
    last = header(CONTENTS, size)
    end = padding(size) + bytes(2 * BLOCK)
    return (
        tail.startswith(described)
        and rest.startswith(last)
        and rest.endswith(end)
        and len(rest) == len(last) + size + len(end)
    )


def _find(tail: bytes) -> Optional[bytes]:
    try:
        with tarfile.open(fileobj=io.BytesIO(tail), mode="r:") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.name == CONTENTS and member.isreg() else None
                if content is not None:
                    return content.read()
    except tarfile.TarError as error:
        raise ValueError(str(error)) from error
    return None


def _check_member(member: Member) -> None:
    """Raises ValueError where its name leads elsewhere or its frames do not add up to it."""
    content = sum(frame.size for frame in member.frames[1:])
    digest = member.name[len(BLOBS) :] if member.name.startswith(BLOBS) else member.sha256
    if not _NAME.fullmatch(member.name) or digest != member.sha256:
        raise ValueError(f"{member.name!r} is no name of a file in it")
    if not all(map(frames.sound, member.frames)) or member.size < 0 or content != member.size + -member.size % BLOCK:
        raise ValueError(f"{member.name} has not the size that it says")
