"""Publishing one Python's testground: content goes up once, everything else is a tag in the registry."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines import images
from noxlib.errors import EngineError
from noxlib.testground import names, publishing, remote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxlib.engines.docker import Docker
    from noxlib.engines.registry import Manifest, Registry
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.image import Testground


ROUNDS = 3  #: how often a tag that is given may be gone right after
PATIENCE = 1.0  #: seconds that somebody else, who has built as well, may need to give a tag that was absent


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
    registry: Registry, python: str, planned: publishing.Tags, manifest: Manifest, *, patience: float = 0.0
) -> tuple[Manifest, tuple[str, ...]]:
    """Give the planned tags to a manifest that the registry has; or to the one of whoever was first.

    A registry knows no "only if absent". So the first tag is read, given, and read again after a while (Fischer's
    algorithm): who found it absent before we gave it has given it by then, and what is found then counts for both.

    Args:
        registry: The repository.
        python: As in the tags.
        planned: The tags.
        manifest: What they are to stand for.
        patience: Seconds of that while, at least; it is twice as long as the giving took, too.

    Returns:
        The manifest that the commit stands for now, and all its tags of this event.

    Raises:
        EngineError: A release that is published stands for another digest.
    """
    first, *others = (names.tag(python, identifier) for identifier in planned.identifiers)
    for _ in range(ROUNDS):
        began, there = time.monotonic(), registry.digest(first)
        found = manifest if there == manifest.digest else registry.manifest(there) if there else None
        if found is not None:
            _give(registry, others, found)
            return found, (first, *others, *_latest(registry, python, planned.release, found))
        _refuse_moves(registry, others, manifest)
        registry.put(first, manifest)
        time.sleep(max(patience, 2 * (time.monotonic() - began)))
    raise EngineError(
        f"{registry.image}:{first} was given {ROUNDS} times, and is not there",
        "see who else writes to that repository, then run this again",
        cause="conflict",
    )


def _give(registry: Registry, tags: Iterable[str], manifest: Manifest) -> None:
    for tag in _refuse_moves(registry, tags, manifest):
        registry.put(tag, manifest)


def _refuse_moves(registry: Registry, tags: Iterable[str], manifest: Manifest) -> list[str]:
    """The tags that are absent or elsewhere, and may move."""
    known = {tag: registry.digest(tag) for tag in tags}
    for tag, digest in known.items():
        if names.read(tag).kind in publishing.IMMUTABLE and digest not in (None, manifest.digest):
            raise EngineError(
                f"{registry.image}:{tag} is {digest} already, and would become {manifest.digest}",
                "a published release never moves: tag a rebuild of it, v1.2.3-r2, or the next version",
                cause="conflict",
            )
    return [tag for tag, digest in known.items() if digest != manifest.digest]


def _latest(registry: Registry, python: str, release: Optional[str], manifest: Manifest) -> tuple[str, ...]:
    """``latest``, where this release is the highest.

    A higher one that is published at the same moment has its own tag before either gives ``latest``: whoever is the
    last to give that sees both, and gives it to the higher one.
    """
    if release is None or not publishing.is_latest(release, registry.tags(), python):
        return ()
    latest = names.tag(python, "latest")
    if registry.digest(latest) != manifest.digest:
        registry.put(latest, manifest)
    tags = registry.tags()
    if publishing.is_latest(release, tags, python):
        return (latest,)
    higher = registry.manifest(names.tag(python, str(publishing.highest(tags, python))))
    if higher is not None:
        registry.put(latest, higher)
    return ()


def drop(testground: Testground, winner: Manifest, registry: Registry, docker: Docker) -> None:
    """Give up what was built here for the one that is published: its names in the engine, and in the registry."""
    tag = names.fingerprint_tag(testground.python, testground.fingerprint)
    if registry.digest(tag) != winner.digest and remote.fingerprint(registry, winner) == testground.fingerprint:
        registry.put(tag, winner)
    for reference in {f"{registry.image}:{tag}", testground.reference}:
        images.untag(reference, docker)
