"""What is pulled where nothing is named: the nearest that is published. Every look is told in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Callable, Optional

import msgspec

from noxlib.engines import revisions
from noxlib.testground import index, names, remote
from noxlib.testground.remote import Found

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.engines.registry import Manifest, Registry

DEPTH = 1000  #: ancestors that are looked for among the published ones
COMPARED = 20  #: of those, how many are asked for their fingerprint


class Here(msgspec.Struct, frozen=True):
    """What is known of this checkout. ``unknown`` says why it has no fingerprint, where it has none."""

    root: Path
    python: str
    fingerprint: Optional[str] = None
    unknown: str = ""
    commit: Optional[str] = None
    branch: Optional[str] = None
    platform: str = ""  #: for which the fingerprint is


def follow(registry: Registry, here: Here, say: Callable[[str], None]) -> Optional[Found]:
    """This fingerprint, this commit, its nearest published ancestor with the same fingerprint, this branch; or None.

    Raises:
        EngineError: The registry fails.
    """
    for name, look in (
        ("this fingerprint", _fingerprint),
        ("this commit", _commit),
        ("an ancestor with this fingerprint", _ancestor),
        ("this branch", _branch),
    ):
        found, told = look(registry, here)
        say(f"noxlib: {name}: {told}")
        if found is not None:
            return found
    return None


_Look = tuple[Optional[Found], str]


def _fingerprint(registry: Registry, here: Here) -> _Look:
    if here.fingerprint is None:
        return None, f"not known, since {here.unknown}"
    return _tag(registry, names.fingerprint_tag(here.python, here.fingerprint))


def _commit(registry: Registry, here: Here) -> _Look:
    return _tag(registry, names.tag(here.python, here.commit)) if here.commit else (None, "there is no git here")


def _ancestor(registry: Registry, here: Here) -> _Look:
    if here.fingerprint is None or here.commit is None:
        return None, "cannot be told"
    tags = frozenset(registry.tags())
    before = (names.tag(here.python, commit) for commit in revisions.ancestors(here.root, here.commit, DEPTH))
    published = [tag for tag in before if tag in tags]
    for tag in published[:COMPARED]:
        manifest = registry.manifest(tag)
        if manifest is not None and _content(registry, manifest, here.platform) == here.fingerprint:
            return Found(manifest.digest, tag), f"{tag} is {manifest.digest}"
    return (
        None,
        f"none of the {len(published[:COMPARED])} nearest that are published" if published else "none published",
    )


def _content(registry: Registry, manifest: Manifest, platform: str) -> Optional[str]:
    """The fingerprint of what is published; of an index that of the platform's part."""
    part = index.find(registry, manifest, platform)[0] if manifest.is_index else manifest
    return None if part is None else remote.fingerprint(registry, part)


def _branch(registry: Registry, here: Here) -> _Look:
    if here.branch is None:
        return None, "none is checked out"
    return _tag(registry, names.tag(here.python, names.branch(here.branch)))


def _tag(registry: Registry, tag: str) -> _Look:
    digest = registry.digest(tag)
    return (None, f"{tag} is not published") if digest is None else (Found(digest, tag), f"{tag} is {digest}")
