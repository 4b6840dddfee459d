"""Testgrounds into an archive and out of it: which layers it holds, and where the others are looked for.

A delta leaves out layers that a base has, as far as both begin with the same: an engine that has the base has them.
"""

from __future__ import annotations

import tempfile
from typing import IO, TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import archive, archiveformat, archivewriter, frames, imagelayers, imagelayout, images, saved
from noxlib.engines.archiveformat import BLOCK, FILES, Base, Contents, Image, Member
from noxlib.errors import CacheError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from noxlib.engines.archive import Archive
    from noxlib.engines.docker import Docker
    from noxlib.engines.saved import Piece

Layers = tuple[str, ...]  # digests, lowest first


class Wanted(msgspec.Struct, frozen=True):
    """An image of the engine that an archive is to hold."""

    python: str
    reference: str
    fingerprint: str
    builder: bool = False


def export(
    wanted: Sequence[Wanted],
    project: str,
    docker: Docker,
    target: Path,
    *,
    base: Mapping[Base, Layers] | None = None,
    files: Mapping[str, Path] | None = None,
    level: int = frames.LEVEL,
) -> Contents:
    """Write an archive of images of the engine.

    Args:
        wanted: The images.
        project: Its name.
        docker: The engine.
        target: The file, which is overwritten.
        base: What the other side has: its layers are left out.
        files: What else goes in, by its name in the archive.
        level: Of zstd; 0 for a plain tar.

    Raises:
        EngineError: The engine fails.
        OSError: The file cannot be written.
    """
    try:
        with tempfile.TemporaryFile(dir=target.parent) as aside, target.open("wb") as out:
            tars = frames.side_by_side(lambda one: images.saved(one.reference, docker), wanted)
            found = saved.Saved(tars, aside, level)
            every = tuple(
                Image(one.python, one.reference, one.fingerprint, *found.image(one.reference), builder=one.builder)
                for one in wanted
            )
            without = elsewhere(every, base or {})
            blobs = {blob.name: blob.digest for image in every for blob in image.blobs}
            pieces = {name: found.pieces[digest] for name, digest in blobs.items() if digest not in without}
            pieces.update({name: _packed(path, aside, level) for name, path in sorted((files or {}).items())})
            contents = Contents(project, every, base=_used(without, base or {}), level=level)
            return archivewriter.write(out, contents, pieces, aside)
    except OSError as error:
        error.filename = error.filename or str(target)  # a full disk is told by the file that it happened to
        raise


def _packed(path: Path, aside: IO[bytes], level: int) -> Piece:
    aside.seek(0, 2)
    with path.open("rb") as content:
        return saved.pack(content, path.stat().st_size, aside, level)


def elsewhere(every: Iterable[Image], base: Mapping[Base, Layers]) -> frozenset[str]:
    """Digests of the layers that each image which has them has in common with a base, from the lowest on. Pure."""
    common: set[str] = set()
    own: set[str] = set()
    for image in every:
        length = max((_begin_alike(image.digests, other) for other in base.values()), default=0)
        common.update(image.digests[:length])
        own.update(image.digests[length:])
    return frozenset(common - own)


def _begin_alike(one: Layers, other: Layers) -> int:
    return next((at for at, pair in enumerate(zip(one, other)) if pair[0] != pair[1]), min(len(one), len(other)))


def _used(without: frozenset[str], base: Mapping[Base, Layers]) -> tuple[Base, ...]:
    return tuple(sorted((one for one, digests in base.items() if without & {*digests}), key=lambda one: one.reference))


def chosen(opened: Archive, python: str) -> tuple[tuple[Image, ...], tuple[Member, ...]]:
    """The images and members of one Python, or with an empty word all.

    Raises:
        CacheError: The archive has none of that Python.
    """
    every = opened.contents.images
    found = tuple(image for image in every if python in ("", image.python))
    if not found:
        there = ", ".join(dict.fromkeys(image.python for image in every)) or "none"
        raise CacheError(f"{opened.name} has no testground of Python {python}", f"its Pythons are {there}")
    if not python:
        return found, opened.contents.members
    names = {blob.name for image in found for blob in image.blobs}
    members = (one for one in opened.contents.members if one.name in names or _file_of(one.name, python))
    return found, tuple(members)


def _file_of(name: str, python: str) -> bool:
    """Whether a file of a bundle is of a Python, or of all."""
    parts = name.split("/")
    return name.startswith(FILES) and (len(parts) == 3 or python in parts[2].split("+"))  # noqa: PLR2004 - noxlib/KIND/NAME


def sources(
    opened: Archive, found: Iterable[Image], bases: Sequence[Archive], docker: Docker
) -> dict[str, tuple[Archive, Member]]:
    """Where each blob of these images is, but for what the engine has.

    Raises:
        CacheError: One is nowhere: the archive is a delta, and its base is not here.
    """
    there: dict[str, tuple[Archive, Member]] = {}
    for each in (*reversed(bases), opened):
        there.update({name: (each, member) for name, member in each.members.items()})
    needed: dict[str, tuple[Archive, Member]] = {}
    for image in found:
        absent = [layer for layer in image.layers if layer.name not in there]
        if image.config.name not in there or (absent and not _in_engine(image, there, opened.contents.base, docker)):
            raise _no_base(opened)
        needed.update({b.name: there[b.name] for b in image.blobs if b.name in there})
    return needed


def _in_engine(image: Image, there: Mapping[str, object], base: Iterable[Base], docker: Docker) -> bool:
    """Whether the engine has each layer that is nowhere else, on top of the same ones."""
    if not imagelayers.kept(docker):
        return False
    known = (imagelayers.of(one.id, docker) for one in base)
    length = max((_begin_alike(image.digests, other) for other in known), default=0)
    return all(layer.name in there for layer in image.layers[length:])


def _no_base(opened: Archive) -> CacheError:
    names = ", ".join(f"{one.reference} ({one.id[:19]})" for one in opened.contents.base) or "other images"
    return CacheError(
        f"{opened.name} is a delta, and nothing of it was loaded: what it builds on is not in the engine: {names}",
        "load that archive first, or name it: nox -s testground_load -- --base OLD.tar.zst NEW.tar.zst",
    )


def stream(found: Mapping[str, Image], where: Mapping[str, tuple[Archive, Member]]) -> Iterator[bytes]:
    """The tar for an engine of images by the names that they are to get.

    What describes them is last and is not sent if a blob is not what its name says: so nothing of it is loaded.

    Raises:
        CacheError: A blob is damaged.
    """
    for name in sorted(where):
        opened, member = where[name]
        yield archiveformat.header(name, member.size)
        yield from opened.content(member)
    for name, data in imagelayout.describe(found).items():
        yield archiveformat.member_of(name, data)
    yield bytes(2 * BLOCK)


def as_it_is(opened: Archive, found: Mapping[str, Image]) -> Optional[IO[bytes]]:
    """The file itself, where it says the same as ``stream`` would: the engine unpacks it faster than we do."""
    contents = opened.contents
    if contents.base or tuple(found.values()) != contents.images:
        return None
    if any(member.name.startswith(FILES) for member in contents.members):
        return None
    described = imagelayout.describe(found).items()
    return opened.whole(b"".join(archiveformat.member_of(name, data) for name, data in described))


def base_of(opened: Archive) -> dict[Base, Layers]:
    """What somebody has who has an archive."""
    return {Base(image.python, image.reference, image.id): image.digests for image in opened.contents.images}


def check_project(opened: archive.Archive, project: str) -> None:
    """Raises CacheError for another project's archive."""
    if opened.contents.project != project:
        raise CacheError(
            f"{opened.name} has testgrounds of {opened.contents.project!r}, and this project is {project!r}",
            "name an archive of this project",
        )
