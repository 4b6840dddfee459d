"""Base images of a platform that is not the engine's own: pulled by their own digest, under a name of their own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from noxlib.engines import images, registryauth
from noxlib.errors import PlaceError
from noxlib.testground import index, platforms, remote

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


def fetch(reference: str, docker: Docker) -> None:
    """Pull the image of the platform that the engine is to take; it is here as ``platforms.local_name`` from then on.

    Raises:
        PlaceError: There is none for that platform.
        EngineError: It cannot be pulled.
    """
    name, wanted = split(reference)
    platform = docker.platform
    here = platforms.local_name(reference, platform)
    host, path = registryauth.split(name)
    registry = remote.open_registry(f"{host}/{path}")
    manifest = registry.manifest(wanted)
    found, there = (None, ()) if manifest is None else index.find(registry, manifest, platform)
    if found is None:
        raise PlaceError(
            f"{reference} has no image for {platform}; the registry has it for {platforms.told(there)}",
            f"name a base that has one, or give one here: docker tag IMAGE {here}",
            cause="platform",
        )
    pulled = f"{name}@{found.digest}"
    images.pull(pulled, docker, registryauth.find(host, os.environ))
    images.tag(pulled, here, docker)


def split(reference: str) -> tuple[str, str]:
    """Name, and digest or tag.

    >>> split("python:3.10-slim"), split("127.0.0.1:5000/python"), split("python:3@sha256:00")
    (('python', '3.10-slim'), ('127.0.0.1:5000/python', 'latest'), ('python', 'sha256:00'))
    """
    named, at, digest = reference.partition("@")
    name, colon, tag = named.rpartition(":")
    if not colon or "/" in tag:
        name, tag = named, "latest"
    return name, digest if at else tag
