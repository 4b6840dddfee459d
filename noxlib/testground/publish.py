"""Publishing one Python's testground: content goes up once, everything else is a tag in the registry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines import images
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import EngineError
from noxlib.testground import names, publishing, remote

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.image import Testground


def find_commit(registry: Registry, python: str, commit: str) -> Optional[Manifest]:
    """What was published for a commit: the first one is the truth, whatever a later build makes of that commit."""
    return registry.manifest(names.tag(python, commit))


def upload(
    registry: Registry,
    testground: Testground,
    docker: Docker,
    credentials: Optional[Credentials],
    say: Callable[[str], None],
) -> tuple[Manifest, bool]:
    """The manifest of the content in the registry, and whether it had to be sent; read back from there.

    Raises:
        EngineError: The registry refuses it, or has another image than the one that was sent.
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
    # An engine names an image by its configuration, or, with containerd's store, by the manifest.
    if sent is None or testground.id not in (remote.configuration_digest(sent) or testground.id, sent.digest):
        raise EngineError(
            f"{reference} was sent, and the registry has {'nothing' if sent is None else sent.digest} under that name",
            "somebody else changed it at the same moment; run this again",
        )
    return sent, True


def give_tags(registry: Registry, python: str, planned: publishing.Tags, manifest: Manifest) -> tuple[str, ...]:
    """Give the planned tags to a manifest that the registry has; all of them.

    Raises:
        EngineError: A tag that never moves stands for another digest.
    """
    identifiers = planned.identifiers
    if planned.release and publishing.is_latest(planned.release, registry.tags(), python):
        identifiers = (*identifiers, "latest")
    wanted = [names.tag(python, identifier) for identifier in identifiers]
    known = {tag: registry.digest(tag) for tag in wanted}
    for tag, digest in known.items():
        if names.read(tag).kind in publishing.IMMUTABLE and digest not in (None, manifest.digest):
            raise EngineError(
                f"{registry.image}:{tag} is {digest} already, and would become {manifest.digest}",
                "a published release or commit never moves: publish under a new one, for example v1.2.3-r2",
                cause="conflict",
            )
    for tag, digest in known.items():
        if digest != manifest.digest:
            registry.put(tag, manifest)
    _read_back(registry, wanted[0], manifest)
    return tuple(wanted)


def _read_back(registry: Registry, tag: str, manifest: Manifest) -> None:
    digest = registry.digest(tag)
    if digest != manifest.digest:
        raise EngineError(
            f"{registry.image}:{tag} was given {manifest.digest}, and the registry now says {digest}",
            "somebody else published it at the same moment; run this again, and the first one is taken",
        )
