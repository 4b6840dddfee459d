"""One index for all platforms of a testground (OCI image index): its parts read and checked, joined, and read back."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines.registry import DIGEST, IMAGES, INDEXES, Manifest, sha256
from noxlib.errors import EngineError, PlaceError
from noxlib.places import box
from noxlib.testground import platforms, remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from noxlib.engines.registry import Registry

_OCI = "org.opencontainers.image."
#: What the parts have in common becomes the index' own; it is made of nothing else, so that the same parts, joined
#: for whatever commit, are the same index.
_SHARED = (
    *(f"{_OCI}{name}" for name in ("title", "source", "revision", "created", "version", "base.name")),
    *(f"{box.LABEL}{name}" for name in ("python", "project", "recipe")),
)
REVISION, RECIPE, FINGERPRINT = f"{_OCI}revision", f"{box.LABEL}recipe", f"{box.LABEL}fingerprint"
_MARK = re.compile(r"[0-9a-f]{64}")
TOGETHER = 2  #: platforms that are worth an index


class Part(msgspec.Struct, frozen=True):
    """One platform's image, as the registry has it."""

    platform: str
    manifest: Manifest
    labels: dict[str, str]

    @property
    def digest(self) -> str:
        return self.manifest.digest


def find(registry: Registry, manifest: Manifest, platform: str) -> tuple[Optional[Manifest], tuple[str, ...]]:
    """The image of a platform: of an index its part, else the image itself; and the platforms that there are.

    Raises:
        EngineError: The registry fails, or has no JSON under that name.
    """
    if not manifest.is_index:
        own = platforms.of_description(configuration(registry, manifest))
        return (manifest if own in ("", platform) else None), (own,)
    known = parts(manifest)
    digest = known.get(platform)
    return (registry.manifest(digest) if digest else None), tuple(known)


def parts(manifest: Manifest) -> dict[str, str]:
    """The platforms that an index names, each with its digest; the first one counts, as it does for engines."""
    entries = manifest.content().get("manifests")
    found: dict[str, str] = {}
    for entry in entries if isinstance(entries, list) else []:
        described, digest = (entry.get("platform"), entry.get("digest")) if isinstance(entry, dict) else (None, None)
        if isinstance(described, dict) and isinstance(digest, str) and DIGEST.fullmatch(digest):
            found.setdefault(platforms.of_description(described), digest)
    return found


def resolve(registry: Registry, digest: str, platform_of: Callable[[], str]) -> str:
    """The digest of a platform's part, where a digest is an index'; any other digest as it is.

    Args:
        registry: The repository.
        digest: Of something that it has.
        platform_of: Gives the platform; called for an index only.

    Raises:
        PlaceError: The index has no such part.
    """
    manifest = registry.manifest(digest)
    if manifest is None or not manifest.is_index:
        return digest
    there, platform = parts(manifest), platform_of()
    if platform not in there:
        raise lacking(registry, digest, platform, there)
    return there[platform]


def lacking(registry: Registry, digest: str, platform: str, there: Iterable[str]) -> PlaceError:
    """What to say of a digest that is not there for a platform."""
    what, others = f"{registry.image}@{digest} is not there for {platform}", platforms.told(there)
    if others == "none":
        return PlaceError(f"{what}, nor for any other platform", "publish it again from its commit", cause="platform")
    return PlaceError(
        f"{what}, but for {others}",
        "take one of these under emulation (--platform), or publish it for this platform as well",
        cause="platform",
    )


def configuration(registry: Registry, manifest: Manifest) -> dict[str, Any]:
    """The configuration of an image's manifest; empty for what has none. Raises EngineError."""
    digest = remote.configuration_digest(manifest)
    return registry.configuration(digest) if digest else {}


def read(registry: Registry, digest: str, python: str) -> Part:
    """A part of an index that is to be made, as it is in the registry at this moment.

    Raises:
        PlaceError: It is not there, or is no testground of that Python for one platform.
        EngineError: The registry fails.
    """
    manifest = registry.manifest(digest)
    named = f"{registry.image}@{digest}"
    if manifest is None:
        raise PlaceError(f"{named} is not in the registry", _publish(python), cause="absent")
    if manifest.media_type not in IMAGES or manifest.is_index:
        what = f"{named} is {'an index already' if manifest.is_index else 'no image'}, and no part of one"
        raise PlaceError(what, "name the digests of the platforms, which their jobs have printed")
    described = configuration(registry, manifest)
    labels = _labels(described)
    if not _MARK.fullmatch(labels.get(FINGERPRINT, "")):
        raise PlaceError(f"{named} is no testground of noxlib's", _publish(python))
    if labels.get(f"{box.LABEL}python") != python:
        what = f"{named} is a testground of Python {labels.get(f'{box.LABEL}python', '?')[:20]}, not {python}"
        raise PlaceError(what, f"give the digests of Python {python} alone")
    return Part(platforms.of_description(described), manifest, labels)


def _publish(python: str) -> str:
    return f"publish it: nox -s testground_publish-{python} -- --platform {platforms.PLATFORMS[-1]}"


def _labels(described: Mapping[str, Any]) -> dict[str, str]:
    config = described.get("config")
    found = config.get("Labels") if isinstance(config, dict) else None
    pairs = found.items() if isinstance(found, dict) else ()
    return {key: value for key, value in pairs if isinstance(value, str)}


def check(found: Sequence[Part]) -> None:
    """Whether images can be the parts of one index: a platform each, all of one recipe.

    Raises:
        PlaceError: They cannot; it says which two.
    """
    by_platform: dict[str, Part] = {}
    for part in found:
        if part.platform not in platforms.PLATFORMS:
            what = f"{part.digest} is for {part.platform[:60] or 'no platform'!r}, and testgrounds are not"
            raise PlaceError(what, f"they are for {platforms.told(platforms.PLATFORMS)}")
        other = by_platform.setdefault(part.platform, part)
        if other.digest != part.digest:
            raise PlaceError(
                f"{other.digest} and {part.digest} are both for {part.platform}, and an index holds one of them",
                "give one digest for each platform",
            )
        first = found[0]
        for label, what in ((RECIPE, "recipe"), (f"{box.LABEL}project", "project")):
            if part.labels.get(label) not in (None, first.labels.get(label, part.labels.get(label))):
                raise PlaceError(
                    f"{first.digest} ({first.platform}) and {part.digest} ({part.platform}) are of another {what}",
                    "publish both from one commit: a Dockerfile.test or a declared dependency differs",
                )
    if len(by_platform) < TOGETHER:
        raise PlaceError(
            f"{platforms.told(by_platform)} is all that was given, and an index of one platform says nothing",
            "see whether the other platform's job recorded its digest; one platform alone: testground_publish",
            cause="absent",
        )


def join(found: Sequence[Part]) -> Manifest:
    """The index of some parts, by platform. The same parts give the same bytes. Pure."""
    unique = {part.platform: part for part in found}
    ordered = [unique[platform] for platform in sorted(unique)]
    shared = {
        name: ordered[0].labels[name]
        for name in sorted(_SHARED)
        if name in ordered[0].labels and len({part.labels.get(name) for part in ordered}) == 1
    }
    content = {
        "schemaVersion": 2,
        "mediaType": INDEXES[0],
        "manifests": [_described(part) for part in ordered],
        "annotations": shared,
    }
    body = json.dumps(content, separators=(",", ":")).encode()
    return Manifest(INDEXES[0], body, sha256(body))


def _described(part: Part) -> dict[str, Any]:
    system, architecture = part.platform.split("/")
    return {
        "mediaType": part.manifest.media_type,
        "digest": part.digest,
        "size": len(part.manifest.body),
        "platform": {"architecture": architecture, "os": system},
    }


def published_first(registry: Registry, settled: Manifest, platform: str, there: Iterable[str]) -> EngineError:
    """A commit's tag never moves: what was published for it without a platform stays without it."""
    what = "an index" if settled.is_index else "an image, no index,"
    return EngineError(
        f"{registry.image}@{settled.digest} was published first, {what} for {platforms.told(there)}: no {platform}",
        "a commit and a release never move: publish all platforms of the next commit, or of a rebuild (v1.2.3-r2)",
        cause="conflict",
    )


def cover(registry: Registry, settled: Manifest, found: Sequence[Part]) -> dict[str, str]:
    """What stands for the event by now has to have all the platforms, each there; platform -> digest.

    Raises:
        EngineError: It was published first and lacks one (cause ``conflict``), or one is gone.
    """
    there = parts(settled)
    known = set(there) if settled.is_index else set(find(registry, settled, "")[1])
    lacking = sorted({part.platform for part in found} - known)
    if lacking:
        raise published_first(registry, settled, lacking[0], known)
    for platform, digest in there.items():
        if registry.digest(digest) is None:
            what = f"{registry.image}@{settled.digest} names {digest} for {platform}, and that is gone"
            raise EngineError(what, "publish that platform again, then run this once more", cause="absent")
    return there
