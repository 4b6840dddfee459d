"""Platforms of testgrounds, and the names of images that are not of the engine's own. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from noxlib.errors import UsageError
from noxlib.testground import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noxlib.engines.imageinfo import ImageInfo

PLATFORMS = ("linux/amd64", "linux/arm64")
_ALIASES = {"x86_64": "amd64", "x86-64": "amd64", "aarch64": "arm64"}
_DEFAULT_VARIANTS = {"amd64": "v1", "arm64": "v8"}  # OCI image specification, "Platform Variants"


def parse(text: str) -> str:
    """``linux/arm64`` as a user may write it: ``arm64``, ``aarch64``, ``linux/arm64/v8``. Raises UsageError."""
    words = text.strip().lower().split("/")
    found = of(*(words if words[0] == "linux" else ["linux", *words]))
    if found not in PLATFORMS:
        raise UsageError(
            f"--platform {text[:60]!r}: a testground is made for {' or '.join(PLATFORMS)}",
            "name one of them, as in --platform linux/arm64",
        )
    return found


def of(system: str, architecture: str = "", variant: str = "", *more: str) -> str:
    """The one name of a platform, whoever wrote it.

    >>> of("linux", "aarch64"), of("linux", "arm64", "v8"), of("linux", "arm", "v7")
    ('linux/arm64', 'linux/arm64', 'linux/arm/v7')
    """
    machine = _ALIASES.get(architecture, architecture)
    own = "" if variant == _DEFAULT_VARIANTS.get(machine) else variant
    return "/".join(word for word in (system, machine, own, *more) if word)


def is_of(info: Optional[ImageInfo], platform: str) -> bool:
    """Whether an image of the engine is there and made for a platform, in whatever variant of its architecture."""
    if info is None or not info.platform:  # an engine that does not say
        return info is not None
    return of(*info.platform.split("/")[:2]) == of(*platform.split("/")[:2])


def of_description(described: Mapping[str, Any]) -> str:
    """Of a configuration, or of an index' word on a part (OCI image specification); empty where it names none."""
    words = [described.get(key) for key in ("os", "architecture", "variant")]
    if not all(isinstance(word, str) for word in words[:2]):
        return ""
    return of(*(word if isinstance(word, str) else "" for word in words))


def told(platforms: Iterable[str]) -> str:
    """``linux/amd64 and linux/arm64``; what is no platform (an attestation's) is left out."""
    return " and ".join(sorted(platform for platform in platforms if platform and "unknown" not in platform)) or "none"


def local_name(reference: str, platform: str) -> str:
    """The name here of a base image of another platform: under its own it would replace the engine's.

    >>> local_name("python:3.10-slim", "linux/arm64")
    'noxlib-base-arm64:python-3.10-slim-e1753daf'
    """
    return f"noxlib-base-{platform.rpartition('/')[2]}:{names.sanitise(reference, 128)}"
