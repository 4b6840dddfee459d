"""A checkout's content in the registry: found there by its fingerprint, else built here and sent."""

from __future__ import annotations

from typing import Optional

import msgspec

from noxlib.config.project import Project
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Manifest, Registry
from noxlib.engines.registryauth import Credentials
from noxlib.sessions import container_ground
from noxlib.sessions.context import Context, say
from noxlib.testground import bases, image, lock, names, publish, recipe
from noxlib.testground.image import Testground
from noxlib.testground.locked import Lock


class Content(msgspec.Struct, frozen=True):
    """What the registry has of it."""

    manifest: Manifest
    here: Optional[Testground]  #: the same content in the engine, where that has it; it may be another image
    sent: bool = False  #: from here, now


def publish_once(
    context: Context,
    project: Project,
    registry: Registry,
    docker: Docker,
    credentials: Optional[Credentials],
    *,
    rebuild: bool = False,
) -> Content:
    """The content in the registry; it is built only where the registry does not have it.

    Args:
        context: Of the step.
        project: The project.
        registry: Where it is published.
        docker: The engine, of the platform that is wanted.
        credentials: For that registry.
        rebuild: It is locked anew as of now, on the base images as they are now.

    Raises:
        EngineError: A base image cannot be pulled, or the registry refuses.
        BuildError: It cannot be built.
    """
    locked = _renewed(context, project, docker) if rebuild else _lock(context, project, docker)
    fingerprint, here = image.find(project, context.python, locked, docker, pull=True)
    known = registry.manifest(names.fingerprint_tag(context.python, fingerprint))
    if known is not None:
        return Content(known, here)
    built = here or image.find_or_build(project, context.python, locked, docker)
    manifest, sent = publish.upload(registry, built, docker, credentials, say)
    return Content(manifest, built, sent)


def build(context: Context, project: Project, docker: Docker) -> Testground:
    """The content in the engine, built where it is not here yet; nothing is sent. Raises BuildError, EngineError."""
    return image.find_or_build(project, context.python, _lock(context, project, docker), docker)


def _lock(context: Context, project: Project, docker: Docker) -> Lock:
    return container_ground.lock_of(project, context.python, docker, "all")


def _renewed(context: Context, project: Project, docker: Docker) -> Lock:
    """The lock as of now, and the base images with it. A lock that the project keeps is used as it is."""
    if project.dockerfile:
        locked = _lock(context, project, docker)
    else:
        locked = lock.find_or_make(project, context.python, docker.platform, upgrade=True)
    bases.renew(recipe.of(project, context.python, locked), project, docker)
    return locked
