"""Publishing one Python's testground: content goes up once, everything else is a tag in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines import images
from noxlib.errors import EngineError
from noxlib.testground import names, publishing, remote

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.engines.docker import Docker
    from noxlib.engines.registry import Manifest, Registry
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.image import Testground


ROUNDS = 3  #: how often another publisher may come before us while tags are given


def find(registry: Registry, python: str, planned: publishing.Tags) -> Optional[Manifest]:
    """What is published already for the event's commit (or rebuild): the first one is the truth."""
    return registry.manifest(names.tag(python, planned.identifiers[0]))


def upload(
    registry: Registry,
    testground: Testground,
    docker: Docker,
    credentials: Optional[Credentials],
    say: Callable[[str], None],
) -> tuple[Manifest, bool]:
    """The manifest of the content in the registry, and whether it is the one sent from here; read back from there.

    Raises:
        EngineError: The registry refuses it, or has an image of other content than the one that was sent.
    """
    tag = names.fingerprint_tag(testground.python, testground.fingerprint)
    known = registry.manifest(tag)
    if known is not None:
        return known, False
    reference = f"{registry.image}:{tag}"
    say(f"noxlib: sending {reference}")
    if reference != testground.reference:
        images.tag(testground.id, reference, docker)
    images.push(reference, docker, credentials)
    sent = registry.manifest(tag)
    if sent is None:
        raise EngineError(f"{reference} was sent, and the registry has nothing under that name", "see its own log")
    own = is_image(testground, sent)
    if not own and remote.fingerprint(registry, sent) != testground.fingerprint:
        raise EngineError(
            f"{reference} was sent, and the registry has {sent.digest} under that name, which is something else",
            "see who else writes to that repository, then run this again",
        )
    return sent, own


def is_image(testground: Testground, manifest: Manifest) -> bool:
    """Whether a manifest is of this very image; an index counts as its own.

    An engine names an image by its configuration, or, with containerd's store, by the manifest.
    """
    return testground.id in (remote.configuration_digest(manifest) or testground.id, manifest.digest)


def settle(
    registry: Registry, python: str, planned: publishing.Tags, manifest: Manifest
) -> tuple[Manifest, tuple[str, ...]]:
    """Give the planned tags to a manifest that the registry has; or to the one of whoever was first.

    A registry knows no "only if absent": what is there is looked at before and after, and what is found then counts.

    Returns:
        The manifest that the commit stands for now, and all its tags of this event.

    Raises:
        EngineError: A release that is published stands for another digest.
    """
    for _ in range(ROUNDS):
        tags = _wanted(registry, python, planned)
        known = {tag: registry.digest(tag) for tag in tags}
        if known[tags[0]] not in (None, manifest.digest):
            manifest = registry.manifest(str(known[tags[0]])) or manifest
            continue
        _refuse_moves(registry, known, manifest)
        moved = [tag for tag in tags if known[tag] != manifest.digest]
        for tag in moved:
            registry.put(tag, manifest)
        if not moved or registry.digest(tags[0]) == manifest.digest:
            return manifest, tags
    raise EngineError(
        f"{registry.image}:{tags[0]} stands for something else each time that it is read",
        "see who else writes to that repository, then run this again",
        cause="conflict",
    )


def _wanted(registry: Registry, python: str, planned: publishing.Tags) -> tuple[str, ...]:
    identifiers = planned.identifiers
    if planned.release and publishing.is_latest(planned.release, registry.tags(), python):
        identifiers = (*identifiers, "latest")
    return tuple(names.tag(python, identifier) for identifier in identifiers)


def _refuse_moves(registry: Registry, known: Mapping[str, Optional[str]], manifest: Manifest) -> None:
    for tag, digest in known.items():
        if names.read(tag).kind in publishing.IMMUTABLE and digest not in (None, manifest.digest):
            raise EngineError(
                f"{registry.image}:{tag} is {digest} already, and would become {manifest.digest}",
                "a published release never moves: tag a rebuild of it, v1.2.3-r2, or the next version",
                cause="conflict",
            )


def drop(testground: Testground, winner: Manifest, registry: Registry, docker: Docker) -> None:
    """Give up what was built here for the one that is published: its names in the engine, and in the registry."""
    tag = names.fingerprint_tag(testground.python, testground.fingerprint)
    if registry.digest(tag) != winner.digest and remote.fingerprint(registry, winner) == testground.fingerprint:
        registry.put(tag, winner)
    for reference in {f"{registry.image}:{tag}", testground.reference}:
        images.untag(reference, docker)
