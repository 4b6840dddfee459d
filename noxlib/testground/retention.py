"""Which published testgrounds go, and why: a plan made of data alone. An image goes only with its last tag. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Optional

import msgspec

from noxlib.testground import names

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

DAY = 86400.0


class Rules(msgspec.Struct, frozen=True):
    """Days for which tags of a kind are kept; None: for ever."""

    main: Optional[float] = 90.0
    branch: Optional[float] = 30.0
    commit: Optional[float] = 30.0
    pull_request: Optional[float] = 7.0
    release: Optional[float] = None

    def days(self, name: names.Name) -> Optional[float]:
        """Of one tag; None: kept, whatever its age."""
        by_kind: dict[str, Optional[float]] = {
            "main": self.main,
            "branch": self.branch,
            "commit": self.commit,
            "pull-request": self.pull_request,
            "release": self.release,
            "latest": self.release,
            "fingerprint": 1.0,  # holds nothing alive, but what is being published at this moment
            "local": 1.0,
        }
        return by_kind.get(name.kind)


class Version(msgspec.Struct, frozen=True):
    """One manifest of the repository, with all its tags."""

    digest: str
    tags: tuple[str, ...]
    used: Optional[float] = None  #: seconds since the epoch: when it was made, or last published; None: not known
    size: int = 0  #: bytes of its layers
    children: tuple[str, ...] = ()  #: of an index
    readable: bool = True


class Decision(msgspec.Struct, frozen=True):
    """What becomes of one version, and why."""

    digest: str
    tags: tuple[str, ...]
    action: Literal["keep", "delete"]
    reason: str
    days: Optional[float] = None  #: age
    size: int = 0


class Plan(msgspec.Struct, frozen=True):
    """What ``testground_cleanup`` writes and ``--apply`` reads."""

    image: str
    made: str  #: ISO 8601 in UTC
    rules: Rules
    versions: tuple[Decision, ...]
    format: Literal["noxlib-cleanup-1"] = "noxlib-cleanup-1"

    @property
    def deletions(self) -> tuple[Decision, ...]:
        return tuple(decision for decision in self.versions if decision.action == "delete")


def decide(versions: Iterable[Version], rules: Rules, now: float) -> tuple[Decision, ...]:
    """What becomes of each version, parents before children.

    Args:
        versions: All tagged manifests.
        rules: For how long what is kept.
        now: Seconds since the epoch.
    """
    known = sorted(versions, key=lambda version: (not version.children, version.digest))
    blind = next((version for version in known if not version.readable), None)
    if blind is not None:  # it may be an index of any of the others
        why = f"{_shown(blind)} cannot be read, so nothing is deleted"
        return tuple(_decision(version, "keep", why, now) for version in known)
    first = {version.digest: _alone(version, rules, now) for version in known}
    held = _held(known, first)
    return tuple(
        _decision(version, "keep", f"part of {held[version.digest]}", now)
        if version.digest in held
        else first[version.digest]
        for version in known
    )


def _held(versions: Iterable[Version], decisions: Mapping[str, Decision]) -> dict[str, str]:
    """Children of kept indexes, of indexes in indexes too: digest -> what holds it."""
    by_digest = {version.digest: version for version in versions}
    waiting = [by_digest[digest] for digest, decision in decisions.items() if decision.action == "keep"]
    held: dict[str, str] = {}
    while waiting:
        parent = waiting.pop()
        for child in parent.children:
            if child not in held:
                held[child] = _shown(parent)
                waiting += [by_digest[child]] if child in by_digest else []
    return held


def _alone(version: Version, rules: Rules, now: float) -> Decision:
    """By its own tags: kept as long as one of them is."""
    if version.used is None:
        return _decision(version, "keep", "its age is not known", now)
    age = (now - version.used) / DAY
    longest: tuple[float, str] = (-1.0, "")
    for tag in version.tags:
        name = names.read(tag)
        days = rules.days(name)
        if days is None:
            why = "no tag of a testground" if name.kind == "foreign" else f"{name.kind} is kept for ever"
            return _decision(version, "keep", f"{tag}: {why}", now)
        longest = max(longest, (days, f"{tag}: {name.kind} is kept for {days:g} days"))
    if age <= longest[0]:
        return _decision(version, "keep", longest[1], now)
    return _decision(version, "delete", f"{age:.0f} days old, and every tag on it has expired", now)


def _decision(version: Version, action: Literal["keep", "delete"], reason: str, now: float) -> Decision:
    days = None if version.used is None else round((now - version.used) / DAY, 1)
    return Decision(version.digest, version.tags, action, reason, days, version.size)


def _shown(version: Version) -> str:
    return version.tags[0] if version.tags else version.digest
