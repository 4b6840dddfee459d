"""What a repository holds: every version, its parts, its age. A manifest that cannot be read is said to be so."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines.registry import DIGEST
from noxlib.engines.versions import at_once
from noxlib.errors import EngineError
from noxlib.testground import names, remote
from noxlib.testground.retention import Version, subject

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from noxlib.engines.registry import Manifest, Registry
    from noxlib.engines.versions import Store, Stored

_REPRODUCIBLE = 946684800.0  # the year 2000: what claims to be older was given a time for the sake of its digest
_OF_THE_REGISTRY = ("lost", "credentials", "rate-limit")  # causes: it cannot be asked, whatever the manifest


def survey(
    store: Store,
    commit_times: Callable[[set[str]], Mapping[str, int]],
    knows_all: Callable[[], bool] = lambda: True,
) -> tuple[Version, ...]:
    """All versions that the store lists, and what they are made of.

    Args:
        store: The repository.
        commit_times: Takes commits; gives the seconds since the epoch at which those that it knows were made.
        knows_all: Whether a commit that it does not know is on no branch any more; asked only where there is one.

    Raises:
        EngineError: They cannot be listed.
    """
    listed = store.listed()
    read = {name.identifier for stored in listed for name in map(names.read, stored.tags) if name.kind == "commit"}
    times = commit_times(read) if read else {}
    found = {version.digest: version for version in at_once(lambda stored: _version(store.registry, stored), listed)}
    _add_parts(store.registry, found)
    for digest, commit in _unknown(listed, times, knows_all).items():
        found[digest] = msgspec.structs.replace(found[digest], unknown=commit)
    return tuple(_aged(version, found, times) for version in found.values())


def _unknown(listed: Iterable[Stored], times: Mapping[str, int], knows_all: Callable[[], bool]) -> dict[str, str]:
    """Digest -> a commit for which it was published at a time that neither the store nor the clone knows."""
    found = {
        stored.digest: name.identifier
        for stored in listed
        for name in map(names.read, stored.tags if stored.used is None else ())
        if name.kind == "commit" and name.identifier not in times
    }
    return found if found and not knows_all() else {}


def _version(registry: Registry, stored: Stored) -> Version:
    digest, tags, key = stored.digest, stored.tags, stored.key
    try:
        manifest = registry.manifest(digest) if digest else None
        if manifest is None:
            return Version(digest, tags, readable=False, key=key)
        content = manifest.content()
        made = stored.used if stored.used is not None else _created(registry, manifest)
    except EngineError as error:
        if error.cause in _OF_THE_REGISTRY:
            raise
        return Version(digest, tags, readable=False, key=key)
    return Version(digest, tags, made, _size(content), _children(content), True, key, _subject(content))


def _add_parts(registry: Registry, found: dict[str, Version]) -> None:
    """Read what indexes name and attachments are attached to, where it was not listed; note what is not there."""
    waiting = list(found.values())
    absent: set[str] = set()
    while waiting:
        version = waiting.pop()
        for digest in filter(None, (*version.children, subject(version))):
            if digest not in found and digest not in absent:
                part = _part(registry, digest)
                if part is None:
                    absent.add(digest)
                else:
                    found[digest] = part
                    waiting.append(part)
    for digest, version in found.items():
        missing = tuple(child for child in version.children if child in absent)
        if missing:
            found[digest] = msgspec.structs.replace(version, missing=missing)


def _part(registry: Registry, digest: str) -> Optional[Version]:
    """A manifest without tags; None where it is not there."""
    try:
        manifest = registry.manifest(digest)
        if manifest is None:
            return None
        content = manifest.content()
        made = _created(registry, manifest)
    except EngineError as error:
        if error.cause in _OF_THE_REGISTRY:
            raise
        return Version(digest, (), readable=False)
    return Version(digest, (), made, _size(content), _children(content), subject=_subject(content))


def _aged(version: Version, found: Mapping[str, Version], times: Mapping[str, int]) -> Version:
    """An index does not say when it was made: it is as old as the youngest of its parts.

    Unchanged content is published for later commits without being made anew: the last of them is its last use.
    """
    parts = [found[child].used for child in version.children if child in found]
    made = [used for used in (version.used, *(parts if version.used is None else ())) if used is not None]
    if not made:
        return version
    uses = [float(times[name.identifier]) for name in map(names.read, version.tags) if name.identifier in times]
    return msgspec.structs.replace(version, used=max(*made, *uses, made[0]))


def lost(registry: Registry, versions: Iterable[Version]) -> list[str]:
    """What is not there, of versions that are meant to be: each tag, and each child down to the last.

    A tag that moved since is followed to where it leads now.
    """
    kept = tuple(versions)
    tags = [tag for version in kept for tag in version.tags]
    leads = dict(zip(tags, at_once(registry.digest, tags)))
    parts: dict[str, None] = {}
    for version in kept:
        moved = {digest for digest in map(leads.get, version.tags) if digest and digest != version.digest}
        parts.update(dict.fromkeys(part for digest in sorted(moved) for part in _parts_now(registry, digest)))
        own = (digest for digest in (version.digest, *version.children) if digest and digest not in version.missing)
        parts.update(dict.fromkeys(own))
    gone = [digest for digest, found in zip(parts, at_once(registry.digest, parts)) if found is None]
    return [*(tag for tag, digest in leads.items() if digest is None), *gone]


def _parts_now(registry: Registry, digest: str) -> tuple[str, ...]:
    manifest = registry.manifest(digest)
    return _children(manifest.content()) if manifest else (digest,)


def _created(registry: Registry, manifest: Manifest) -> Optional[float]:
    """When an image or a layer cache was made, seconds since the epoch; None where it does not say."""
    digest = remote.configuration_digest(manifest)
    if digest is None:
        return None
    described = registry.configuration(digest)
    told = map(_seconds, (described.get("created"), *_steps_made(described)))
    return max((seconds for seconds in told if seconds > _REPRODUCIBLE), default=None)


def _steps_made(described: Mapping[str, Any]) -> Iterator[Any]:
    """Of a layer cache, whose configuration is BuildKit's own (``application/vnd.buildkit.cacheconfig.v0``)."""
    for record in _objects(described.get("records")):
        yield from (result.get("createdAt") for result in _objects(record.get("layers")))


def _objects(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _seconds(moment: Any) -> float:
    """A time as text, in seconds since the epoch; 0 for what is none."""
    try:
        found = datetime.fromisoformat(str(moment)[:19])  # the fraction has as many digits as its writer liked
    except ValueError:
        return 0.0
    return found.replace(tzinfo=timezone.utc).timestamp()


def _subject(content: Mapping[str, Any]) -> str:
    found = content.get("subject")
    digest = found.get("digest") if isinstance(found, dict) else None
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else ""


def _children(content: Mapping[str, Any]) -> tuple[str, ...]:
    parts = content.get("manifests")
    found = [part.get("digest") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return tuple(digest for digest in found if isinstance(digest, str) and DIGEST.fullmatch(digest))


def _size(content: Mapping[str, Any]) -> int:
    layers = content.get("layers")
    sizes = [layer.get("size") for layer in layers if isinstance(layer, dict)] if isinstance(layers, list) else []
    return sum(size for size in sizes if isinstance(size, int))
