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
from noxlib.testground import image, names, publish
from noxlib.testground.image import Testground


class Content(msgspec.Struct, frozen=True):
    """What the registry has of it."""

    manifest: Manifest
    here: Optional[Testground]  #: the same content in the engine, where that has it; it may be another image
    sent: bool = False  #: from here, now


def publish_once(
    context: Context, project: Project, registry: Registry, docker: Docker, credentials: Optional[Credentials]
) -> Content:
    """The content in the registry; it is built only where the registry does not have it.

    Raises:
        EngineError: A base image cannot be pulled, or the registry refuses.
        BuildError: It cannot be built.
    """
    locked = container_ground.lock_of(project, context.python, docker, "all")
    fingerprint, here = image.find(project, context.python, locked, docker, pull=True)
    known = registry.manifest(names.fingerprint_tag(context.python, fingerprint))
    if known is not None:
        return Content(known, here)
    built = here or image.find_or_build(project, context.python, locked, docker)
    manifest, sent = publish.upload(registry, built, docker, credentials, say)
    return Content(manifest, built, sent)


def build(context: Context, project: Project, docker: Docker) -> Testground:
    """The content in the engine, built where it is not here yet; nothing is sent. Raises BuildError, EngineError."""
    locked = container_ground.lock_of(project, context.python, docker, "all")
    return image.find_or_build(project, context.python, locked, docker)
