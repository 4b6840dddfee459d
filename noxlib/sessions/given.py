"""``--testground REF``: today's tests in a testground that was published, for another commit perhaps."""

from __future__ import annotations

import os
from typing import Optional

import msgspec

from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.engines import registryauth
from noxlib.engines.docker import Docker
from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import PlaceError, UsageError
from noxlib.places import box
from noxlib.plan import ASKED
from noxlib.sessions import placing, preparing
from noxlib.sessions.context import say
from noxlib.sessions.grounds import Effort
from noxlib.sessions.placing import Placement
from noxlib.testground import image, names, platforms, publishing, pulled, remote
from noxlib.testground.image import Testground
from noxlib.testground.locked import Lock
from noxlib.testground.pulled import Puller
from noxlib.testground.results import Result


def place(config: Config, asked: str, place_asked: Optional[str]) -> Placement:
    """A container of that testground.

    Raises:
        UsageError: a virtual environment was asked for as well.
        EngineError: no engine answers.
    """
    if place_asked == "venv":
        raise UsageError("--testground names an image, and --place venv has none", "leave one of them out")
    chosen = placing.choose(config, "container")
    return msgspec.structs.replace(chosen, reason=f"{ASKED} --testground {asked}", testground=asked)


def testground(project: Project, python: str, lock: Lock, docker: Docker, asked: str, effort: Effort) -> Testground:
    """The testground of a word, pulled where it is not here. What never moves is not asked for twice.

    Raises:
        BuildError: nothing may be fetched now and it is not here (cause ``absent``).
        PlaceError: it is not published, or is no image of noxlib's.
        EngineError: it cannot be pulled.
    """
    here = docker.image(asked) if asked.startswith("sha256:") else None
    if here is not None:  # an image's id, as records have it
        found = _of_image(_name(here, python), here, project, python, lock)
        own = image.builder_reference(found.reference)  # what it was built by, where that is still here
        return msgspec.structs.replace(found, builder_reference=own) if docker.image(own) else found
    known = pulled.known(project, python, asked, docker)
    if known is None or (_moves(asked) and effort != "none"):
        known = _fetch(project, python, asked, docker, effort)
    result, info = known
    reference = f"{result.image}:{result.tags[0]}" if result.tags else result.reference
    return _of_image(reference, info, project, python, lock)


def _name(info: ImageInfo, python: str) -> str:
    """The tag of a testground of that Python that an image has here, else its id."""
    return next((tag for tag in info.tags if f":py{python}-" in tag), info.id)


def _moves(asked: str) -> bool:
    return names.read(f"py3.0-{asked}").kind not in publishing.IMMUTABLE and not asked.startswith("sha256:")


def _fetch(project: Project, python: str, asked: str, docker: Docker, effort: Effort) -> tuple[Result, ImageInfo]:
    if effort == "none":
        raise preparing.absent(f"the testground of {asked}")
    registry = remote.open_registry(remote.image_of(project))
    credentials = registryauth.find(registry.host, os.environ)
    return Puller(project, docker, registry, credentials, say).fetch(python, asked)


def _of_image(reference: str, info: ImageInfo, project: Project, python: str, lock: Lock) -> Testground:
    """As the image's labels tell; the project's own build is today's, and made by today's builder."""
    labels = info.labels
    if f"{box.LABEL}fingerprint" not in labels:
        raise PlaceError(f"{reference} is no testground of noxlib's", "publish one: nox -s testground_publish")
    if labels.get(f"{box.LABEL}python", python) != python:
        what = f"{reference} is a testground of Python {labels[f'{box.LABEL}python']}, not {python}"
        raise PlaceError(what, "run the session of that Python")
    local = f"{names.image_name(project.name, None, project.config)}:{names.tag(python, 'local')}"
    own = f"{box.LABEL}foreign" in labels
    return Testground(
        reference=reference,
        id=info.id,
        fingerprint=labels[f"{box.LABEL}fingerprint"],
        base_digest=labels.get("org.opencontainers.image.base.digest", ""),
        python=python,
        lock=msgspec.structs.replace(lock, key=labels.get(f"{box.LABEL}lock", ""), source="published"),
        own_dockerfile=own,
        path=info.environment.get("PYTHONPATH", ""),
        platform=platforms.of(*info.platform.split("/")),
        interpreter=labels.get(f"{box.LABEL}interpreter", box.PYTHON),
        builder_reference=None if own else image.builder_reference(local),
    )
