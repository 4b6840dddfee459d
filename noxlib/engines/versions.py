"""The manifests of a repository as things to list and to throw away: by the registry itself, or in another way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Callable, Optional, Protocol, TypeVar

import msgspec

from noxlib.engines.registry import PAGE
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxlib.engines.registry import Registry

T = TypeVar("T")
U = TypeVar("U")
_CONNECTIONS = 8  # to one registry at once; a request is mostly waiting


def at_once(call: Callable[[T], U], items: Iterable[T]) -> list[U]:
    """What a registry says to each, in order; several are asked at a time. The first failure is raised."""
    with ThreadPoolExecutor(_CONNECTIONS) as pool:
        return list(pool.map(call, items))


class Stored(msgspec.Struct, frozen=True):
    """One manifest as it is listed."""

    digest: str  #: empty for tags that are listed and stand for nothing
    tags: tuple[str, ...]
    key: str = ""  #: the store's own name for it
    used: Optional[float] = None  #: seconds since the epoch, where the store says when it came or was changed


class Store(Protocol):
    """Who lists and deletes what a repository holds. Every method raises EngineError."""

    registry: Registry
    a_tag_stays: bool  #: the last tagged version is not given up

    def listed(self) -> tuple[Stored, ...]:
        """All manifests with tags; those without, where the store knows them."""

    def now(self, stored: Stored) -> Optional[Stored]:
        """The same one at this moment; None where it is gone."""

    def delete(self, stored: Stored) -> None:
        """Throw one away with all its tags; it may be gone already. EngineError ``refused``: it stays, for good."""

    def deleted(self) -> tuple[Stored, ...]:
        """What can be given back."""

    def restore(self, stored: Stored) -> None:
        """Give one back, with the tags that nothing else has by now."""


class RegistryStore:
    """Any registry: tags are listed, manifests deleted by their digest; nothing is given back."""

    a_tag_stays = False

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._digests: dict[str, str] = {}  # tag -> digest, of the last whole list
        self._new: dict[str, Optional[str]] = {}  # the same of those that are new since
        self._good_for = 0  # how often these are still taken as they are

    def listed(self) -> tuple[Stored, ...]:
        """By tag; what bears none cannot be listed (OCI distribution specification 1.1)."""
        tags = self.registry.tags()
        self._good_for = 0
        self._digests = {tag: digest or "" for tag, digest in zip(tags, at_once(self.registry.digest, tags))}
        by_digest: dict[str, list[str]] = {}
        for tag, digest in self._digests.items():
            by_digest.setdefault(digest, []).append(tag)
        # A tag that stands for nothing was deleted since the list was made; one that is listed still cannot be read.
        lost = by_digest.pop("", [])
        broken = tuple(sorted(set(lost) & set(self.registry.tags()))) if lost else ()
        blind = (Stored("", broken),) if broken else ()
        return (*blind, *(Stored(digest, tuple(found)) for digest, found in by_digest.items()))

    def now(self, stored: Stored) -> Optional[Stored]:
        """Its own tags are asked for each time, and those that are new since the list was made."""
        if self.registry.digest(stored.digest) is None:
            return None
        new = (tag for tag, digest in self._since().items() if digest == stored.digest and tag not in stored.tags)
        tags = tuple(tag for tag in (*stored.tags, *new) if self.registry.digest(tag) == stored.digest)
        if not set(stored.tags) <= set(tags) and self.registry.digest(stored.digest) is None:
            return None  # somebody else has deleted it while we asked: its tags have not moved
        return msgspec.structs.replace(stored, tags=tags)

    def _since(self) -> dict[str, Optional[str]]:
        """The new tags. All are listed once for as many versions as that takes requests: a page for each of these."""
        if self._good_for == 0:
            tags = self.registry.tags()
            new = [tag for tag in tags if tag not in self._digests]
            self._new = dict(zip(new, at_once(self.registry.digest, new)))
            self._good_for = 1 + len(tags) // PAGE
        self._good_for -= 1
        return self._new

    def delete(self, stored: Stored) -> None:
        """By digest; then the tags, in a registry that keeps each of them as a manifest of its own."""
        self.registry.delete(stored.digest)
        for tag in stored.tags:
            if self.registry.digest(tag) == stored.digest:
                self.registry.delete(tag)

    def deleted(self) -> tuple[Stored, ...]:
        """Nothing comes back. Raises EngineError."""
        raise EngineError(
            f"the registry {self.registry.host} gives back nothing that was deleted",
            "publish it again from its commit: nox -s testground_publish",
            cause="unsupported",
        )

    def restore(self, stored: Stored) -> None:
        """Never reached: there is nothing to give back. Raises EngineError."""
        raise EngineError(f"{stored.digest} cannot be restored", "publish it again from its commit")
