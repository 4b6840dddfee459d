"""Pulling a published testground into the engine, by digest; and finding again what was pulled."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Callable, Optional

import msgspec

from noxlib.engines import git, images
from noxlib.errors import EngineError, PlaceError, RecordError
from noxlib.places import box
from noxlib.records.record import timestamp
from noxlib.testground import index, names, platforms, provenance, publishing, remote, results
from noxlib.testground.results import Result

if TYPE_CHECKING:
    from noxlib.config.project import Project
    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.engines.registry import Manifest, Registry
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.remote import Found


class Puller(msgspec.Struct, frozen=True):
    """What brings testgrounds of a registry into an engine."""

    project: Project
    docker: Docker
    registry: Registry
    credentials: Optional[Credentials]
    say: Callable[[str], None]

    def fetch(self, python: str, asked: str) -> tuple[Result, ImageInfo]:
        """What the registry has for a word.

        Raises:
            PlaceError: It is not published, or is no testground of that Python.
            EngineError: It cannot be pulled.
        """
        return self.take(python, remote.find(self.registry, python, asked, self.project), asked)

    def take(self, python: str, found: Found, asked: str, *, fresh: bool = False) -> tuple[Result, ImageInfo]:
        """It comes under its published tag and its fingerprint, and is noted down. ``fresh``: the copy here goes first.

        Raises:
            PlaceError: It is no testground of that Python, or is not there for the engine's platform.
            EngineError: It cannot be pulled.
        """
        part = self._part(found)
        info = self._pulled(self._by_digest(found, part), fresh=fresh)
        fingerprint = _checked(info, f"{self.registry.image}@{found.digest}", python)
        # The names of another platform's image are those that say what it is made of: `main` is the engine's own.
        named = found.tag and self.docker.platform == self.docker.native
        local = [f"{self.registry.image}:{found.tag}"] if named else []
        if fingerprint:  # where the next run looks before it builds
            local.append(f"{self._own}:{names.fingerprint_tag(python, fingerprint)}")
        for tag in local:
            images.tag(info.id, tag, self.docker)
        provenance.take_lock(self.registry, part.digest, info.labels, self.say)
        result = results.Result(
            python=python,
            image=self.registry.image,
            digest=found.digest,
            platform=None if self.docker.platform == self.docker.native else self.docker.platform,
            tags=(found.tag,) if found.tag else (),
            id=info.id,
            fingerprint=fingerprint,
            asked=asked or "HEAD",
            time=timestamp(datetime.now(timezone.utc)),
        )
        try:
            results.write(self.project.root, results.PULLED, result)
        except RecordError as error:  # it is here all the same; only where that is noted is lost
            self.say(f"noxlib: what was pulled is not noted: {error.what}")
        return result, info

    @property
    def _own(self) -> str:
        """The name without tag by which this engine knows the project's testgrounds."""
        return names.image_name(self.project.name, None, self.project.config)

    def _part(self, found: Found) -> Manifest:
        """The image of the engine's platform, looked for before anything is moved."""
        manifest = self.registry.manifest(found.digest)
        part, there = (None, ()) if manifest is None else index.find(self.registry, manifest, self.docker.platform)
        if part is None:
            raise index.lacking(self.registry, found.digest, self.docker.platform, there)
        return part

    def _by_digest(self, found: Found, part: Manifest) -> Found:
        """By the index' digest, as everybody names it; where that is another platform's here, by the part's own."""
        here = self.docker.image(f"{self.registry.image}@{found.digest}")
        if self.docker.platform == self.docker.native and (here is None or platforms.is_of(here, self.docker.platform)):
            return found
        return msgspec.structs.replace(found, digest=part.digest)

    def _pulled(self, found: Found, *, fresh: bool) -> ImageInfo:
        reference = f"{self.registry.image}@{found.digest}"
        here = info = self.docker.image(reference)
        if here is not None and fresh:
            self._forget(here)
            info = None
        if info is None:
            self.say(f"noxlib: pulling {found.tag or reference}")
            images.pull(reference, self.docker, self.credentials)
            info = self.docker.image(reference)
        if info is None:
            raise EngineError(f"{reference} is gone right after it was pulled", "run this again")
        if here is not None and fresh and here.id == info.id:  # what was built here is still what was built here last
            for name in filter(self._is_ours, here.tags):
                images.tag(info.id, name, self.docker)
        return info

    def _forget(self, info: ImageInfo) -> None:
        """Take all names away that the project has given it; layers that nothing else holds go with the last one."""
        for name in filter(self._is_ours, (*info.tags, *info.digests)):
            self.say(f"noxlib: dropping {name} here")
            images.untag(name, self.docker)

    def _is_ours(self, name: str) -> bool:
        return name.startswith((f"{self.registry.image}:", f"{self.registry.image}@", f"{self._own}:"))


def _checked(info: ImageInfo, reference: str, python: str) -> Optional[str]:
    """The fingerprint of an image that is a testground of this Python; None for one that another program made."""
    own = info.labels.get(f"{box.LABEL}python")
    if own is not None and own != python:
        what = f"{reference} is a testground of Python {own}, not {python}"
        raise PlaceError(what, f"run testground_pull-{own} for that one")
    fingerprint = info.labels.get(f"{box.LABEL}fingerprint", "")
    return fingerprint if re.fullmatch(r"[0-9a-f]{64}", fingerprint) else None


def known(project: Project, python: str, asked: str, docker: Docker) -> Optional[tuple[Result, ImageInfo]]:
    """What was pulled for a word, if it is still in the engine: the last one of this Python, or what never moves."""
    result = results.read(project.root, results.PULLED).get(python)
    if result is None or result.asked != asked or result.id is None:
        return _by_name(project, python, asked, docker)
    info = docker.image(result.id)
    return (result, info) if info is not None and platforms.is_of(info, docker.platform) else None


def _by_name(project: Project, python: str, asked: str, docker: Docker) -> Optional[tuple[Result, ImageInfo]]:
    """By the name that its pull gave it; its digest there is the one that it was pulled by."""
    name = names.read(names.tag(python, asked))
    if name.kind not in publishing.IMMUTABLE:
        return None
    image = names.image_name(project.name, git.remote_url(project.root), project.config)
    info = docker.image(f"{image}:{name.tag}")
    digests = [found for found in info.digests if found.startswith(f"{image}@")] if info else []
    if info is None or len(digests) != 1 or not platforms.is_of(info, docker.platform):
        return None
    digest = digests[0].partition("@")[2]
    return Result(python=python, image=image, digest=digest, tags=(name.tag,), id=info.id, asked=asked), info
