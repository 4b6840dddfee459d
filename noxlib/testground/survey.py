"""What a repository holds: every tag, what it stands for, its age. A manifest that cannot be read is said to be so."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

from noxlib.engines.registry import DIGEST
from noxlib.errors import EngineError
from noxlib.testground import names
from noxlib.testground.retention import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noxlib.engines.registry import Manifest, Registry

_REPRODUCIBLE = 946684800.0  # the year 2000: what claims to be older was given a time for the sake of its digest


def survey(registry: Registry, commit_times: Callable[[set[str]], Mapping[str, int]]) -> tuple[Version, ...]:
    """All tagged versions.

    Args:
        registry: The repository.
        commit_times: Takes commits; gives the seconds since the epoch at which those that it knows were made.

    Raises:
        EngineError: The tags cannot be listed.
    """
    tags = registry.tags()
    by_digest: dict[str, list[str]] = {}
    for tag in tags:
        digest = registry.digest(tag)
        by_digest.setdefault(digest or "", []).append(tag)
    # A tag that stands for nothing was deleted since the list was made; one that is listed still cannot be read.
    lost = by_digest.pop("", [])
    broken = sorted(set(lost) & set(registry.tags())) if lost else []
    read = {name.identifier for name in map(names.read, tags) if name.kind == "commit"}
    times = commit_times(read) if read else {}
    blind = tuple(Version("", (tag,), readable=False) for tag in broken)
    return (*blind, *(_version(registry, digest, tuple(found), times) for digest, found in by_digest.items()))


def _version(registry: Registry, digest: str, tags: tuple[str, ...], times: Mapping[str, int]) -> Version:
    try:
        manifest = registry.manifest(digest)
        if manifest is None:
            return Version(digest, tags, readable=False)
        content = manifest.content()
        made = [made for part in _images(registry, manifest) for made in [_created(registry, part)] if made is not None]
    except EngineError as error:
        if error.cause in ("lost", "credentials", "rate-limit"):  # it is the registry that cannot be asked
            raise
        return Version(digest, tags, readable=False)
    # Unchanged content is published for later commits without being made anew: the last of them is its last use.
    used = made + [float(times[name.identifier]) for name in map(names.read, tags) if name.identifier in times]
    return Version(digest, tags, max(used) if made else None, _size(content), _children(content))


def _images(registry: Registry, manifest: Manifest) -> list[Manifest]:
    """The image, or those of an index."""
    if not manifest.is_index:
        return [manifest]
    return [part for part in map(registry.manifest, _children(manifest.content())) if part and not part.is_index]


def _created(registry: Registry, manifest: Manifest) -> Optional[float]:
    """When an image was made; None where it does not say."""
    config = manifest.content().get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    if not isinstance(digest, str) or not DIGEST.fullmatch(digest):
        return None
    text = str(registry.configuration(digest).get("created", ""))
    try:
        moment = datetime.fromisoformat(text[:19])  # the fraction has as many digits as its writer liked
    except ValueError:
        return None
    seconds = moment.replace(tzinfo=timezone.utc).timestamp()
    return seconds if seconds > _REPRODUCIBLE else None


def _children(content: Mapping[str, Any]) -> tuple[str, ...]:
    parts = content.get("manifests")
    found = [part.get("digest") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return tuple(digest for digest in found if isinstance(digest, str) and DIGEST.fullmatch(digest))


def _size(content: Mapping[str, Any]) -> int:
    layers = content.get("layers")
    sizes = [layer.get("size") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return sum(size for size in sizes if isinstance(size, int))
