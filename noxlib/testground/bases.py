"""The images that a testground builds on: those in the engine, or what a testground in the engine tells of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import BuildError
from noxlib.places import box
from noxlib.testground import platforms, recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.config.project import Project
    from noxlib.engines.docker import Docker
    from noxlib.testground.recipe import Recipe

LABEL = f"{box.LABEL}bases"  #: of a testground: JSON, each reference with its id and digests


class Base(msgspec.Struct, frozen=True):
    """What a testground's label tells of one image that it was built on."""

    id: str
    digests: tuple[str, ...] = ()


def label(bases: Mapping[str, ImageInfo]) -> str:
    """The value of the label, the same for the same bases."""
    told = {name: Base(info.id, info.digests) for name, info in sorted(bases.items())}
    return msgspec.json.encode(told).decode()


def here(planned: Recipe, project: Project, docker: Docker, *, pull: bool) -> dict[str, ImageInfo]:
    """The images of this engine, pulled where they are not there; by their reference in the Dockerfile.

    Raises:
        BuildError: one is not there (cause ``absent``), and ``pull`` is False.
        EngineError: it cannot be pulled.
    """
    known: dict[str, ImageInfo] = {}
    for reference in planned.images:
        source = recipe.mirrored(reference, project.config.mirrors)
        info = _image(source, docker)
        if info is None and not pull:
            raise BuildError(f"the base image {source} is not here", "run it once without --no-build", cause="absent")
        if info is None:
            _pull(source, docker)
            info = _image(source, docker)
        if info is None:
            raise BuildError(f"the image {source} is gone right after it was pulled", "run this again")
        known[reference] = info
    return known


def renew(planned: Recipe, project: Project, docker: Docker) -> None:
    """Pull once more those that came from a registry, where their tags may have moved; others come when asked for.

    Raises:
        EngineError: One cannot be pulled.
    """
    for reference in planned.images:
        source = recipe.mirrored(reference, project.config.mirrors)
        info = _image(source, docker)
        if info is not None and info.digests:
            _pull(source, docker)


def _image(source: str, docker: Docker) -> Optional[ImageInfo]:
    info = docker.image(source)
    if info is None and docker.platform == docker.native:
        return None
    return info if platforms.is_of(info, docker.platform) else docker.image(name_here(source, docker))


def name_here(source: str, docker: Docker) -> str:
    """The name of a base image in the engine: its own, where that is of the wanted platform or still free for it."""
    info = docker.image(source)
    free = info is None and docker.platform == docker.native
    return source if free or platforms.is_of(info, docker.platform) else platforms.local_name(source, docker.platform)


def _pull(source: str, docker: Docker) -> None:
    if name_here(source, docker) == source:
        from noxlib.engines import builder  # noqa: PLC0415 - not on the warm path

        print(f"noxlib: pulling {source}", flush=True)
        builder.pull(source, docker)
    else:
        from noxlib.testground import foreign  # noqa: PLC0415 - brings the registry

        print(f"noxlib: pulling {source} for {docker.platform}", flush=True)
        foreign.fetch(source, docker)


def told(python: str, docker: Docker) -> Iterator[tuple[str, dict[str, ImageInfo]]]:
    """The fingerprint of each testground of that Python in the engine, and what it was built on as its label tells.

    A machine that was given the testground as an archive has no base image, and needs none: it builds nothing.
    """
    for listed in docker.images({f"{box.LABEL}python": python, LABEL: ""}):
        labels = listed.get("Labels") or {}
        found = read(str(labels.get(LABEL, "")))
        if found is not None:
            yield str(labels.get(f"{box.LABEL}fingerprint", "")), found


def read(text: str) -> Optional[dict[str, ImageInfo]]:
    """What a label tells, ids and digests; None where it is none."""
    try:
        found = msgspec.json.decode(text, type=dict[str, Base])
    except (msgspec.DecodeError, ValueError):
        return None
    return {name: _info(base) for name, base in found.items()}


def _info(base: Base) -> ImageInfo:
    return ImageInfo(base.id, tags=(), digests=base.digests, labels={}, environment={}, size=0, platform="")
