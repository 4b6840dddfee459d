"""What an engine says of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class ImageInfo(msgspec.Struct, frozen=True):
    """What the engine knows of an image."""

    id: str  #: ``sha256:…`` of its configuration
    tags: tuple[str, ...]
    digests: tuple[str, ...]  #: ``name@sha256:…`` in registries
    labels: dict[str, str]
    environment: dict[str, str]
    size: int  #: bytes
    platform: str  #: ``linux/amd64``
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    health: tuple[str, ...] = ()  #: the words of its own HEALTHCHECK
    ports: tuple[int, ...] = ()  #: of TCP, that it says it listens at


def image_info(found: Mapping[str, Any]) -> ImageInfo:
    """From what ``docker image inspect`` says."""
    config = found.get("Config") or {}
    pairs = (line.partition("=") for line in config.get("Env") or ())
    variant = f"/{found['Variant']}" if found.get("Variant") else ""
    return ImageInfo(
        id=found["Id"],
        tags=tuple(found.get("RepoTags") or ()),
        digests=tuple(found.get("RepoDigests") or ()),
        labels=dict(config.get("Labels") or {}),
        environment={key: value for key, _, value in pairs},
        size=int(found.get("Size") or 0),
        platform=f"{found.get('Os', 'linux')}/{found.get('Architecture', 'amd64')}{variant}",
        entrypoint=tuple(config.get("Entrypoint") or ()),
        command=tuple(config.get("Cmd") or ()),
        health=tuple((config.get("Healthcheck") or {}).get("Test") or ()),
        ports=tcp_ports(config),
    )


def tcp_ports(config: Mapping[str, Any]) -> tuple[int, ...]:
    """The ports of TCP at which an image, or a container, says that it listens."""
    exposed = (port.partition("/") for port in config.get("ExposedPorts") or ())
    return tuple(int(port) for port, _, protocol in exposed if protocol in ("", "tcp"))
