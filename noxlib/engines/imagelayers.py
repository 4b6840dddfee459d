"""Layers of images as an engine has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.engines import layers
from noxlib.engines.refusals import absent_is_none, speaking

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


def of(reference: str, docker: Docker) -> tuple[str, ...]:
    """Digests of an image's unpacked layers, lowest first; none where the engine has no such image."""
    with speaking(str(docker.endpoint), f"looking for the layers of {reference}"):
        found = absent_is_none(lambda: docker._api.inspect_image(reference))  # noqa: SLF001
    return tuple((found or {}).get("RootFS", {}).get("Layers") or ())


def kept(docker: Docker) -> bool:
    """Whether what is loaded may lack layers that the engine has: not with podman, nor with containerd's own store."""
    return docker.kind == "docker" and not layers.writes(docker)
