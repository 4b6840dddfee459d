"""Pulling a published testground into the engine, by digest; and finding again what was pulled."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines import images
from noxlib.errors import EngineError, PlaceError
from noxlib.testground import names, remote, results

if TYPE_CHECKING:
    from noxlib.config.project import Project
    from noxlib.engines.docker import Docker, ImageInfo
    from noxlib.engines.registry import Registry
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.results import Result

LABELS = "io.noxlib."


def fetch(
    project: Project,
    python: str,
    asked: str,
    docker: Docker,
    registry: Registry,
    credentials: Optional[Credentials],
    say: Callable[[str], None],
) -> tuple[Result, ImageInfo]:
    """What the registry has for a word, in the engine under its published tag and its fingerprint; and noted down.

    Raises:
        PlaceError: It is not published, or is no testground of that Python.
        EngineError: It cannot be pulled.
    """
    found = remote.find(registry, python, asked, project)
    reference = f"{registry.image}@{found.digest}"
    info = docker.image(reference)
    if info is None:
        say(f"noxlib: pulling {found.tag or reference}")
        images.pull(reference, docker, credentials)
        info = docker.image(reference)
    if info is None:
        raise EngineError(f"{reference} is gone right after it was pulled", "run this again")
    fingerprint = _checked(info, reference, python)
    local = [f"{registry.image}:{found.tag}"] if found.tag else []
    if fingerprint:  # where the next run looks before it builds
        own = names.image_name(project.name, None, project.config)
        local.append(f"{own}:{names.fingerprint_tag(python, fingerprint)}")
    for tag in local:
        images.tag(info.id, tag, docker)
    result = results.Result(
        python=python,
        image=registry.image,
        digest=found.digest,
        tags=(found.tag,) if found.tag else (),
        id=info.id,
        fingerprint=fingerprint,
        asked=asked or "HEAD",
        time=results.now(),
    )
    results.write(project.root, results.PULLED, result)
    return result, info


def _checked(info: ImageInfo, reference: str, python: str) -> Optional[str]:
    """The fingerprint of an image that is a testground of this Python; None for one that another program made."""
    own = info.labels.get(f"{LABELS}python")
    if own is not None and own != python:
        what = f"{reference} is a testground of Python {own}, not {python}"
        raise PlaceError(what, f"run testground_pull-{own} for that one")
    fingerprint = info.labels.get(f"{LABELS}fingerprint", "")
    return fingerprint if re.fullmatch(r"[0-9a-f]{64}", fingerprint) else None


def known(project: Project, python: str, asked: str, docker: Docker) -> Optional[tuple[Result, ImageInfo]]:
    """What was pulled last for this Python, if it was asked for in the same words and is still in the engine."""
    result = results.read(project.root, results.PULLED).get(python)
    if result is None or result.asked != asked or result.id is None:
        return None
    info = docker.image(result.id)
    return None if info is None else (result, info)
