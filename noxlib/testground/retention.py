"""Which published testgrounds go, and why: a plan made of data alone. An image goes only with its last tag. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, NamedTuple, Optional

import msgspec

from noxlib.testground.retention_rules import ATTACHED, DAY, Life, Rules

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence


class Version(msgspec.Struct, frozen=True, gc=False):
    """One manifest of the repository, with all its tags."""

    digest: str
    tags: tuple[str, ...]
    used: Optional[float] = None  #: seconds since the epoch: when it was made, or last published; None: not known
    size: int = 0  #: bytes of its layers
    children: tuple[str, ...] = ()  #: of an index
    readable: bool = True
    key: str = ""  #: the registry's own name for it, where it has one
    subject: str = ""  #: digest of the image that it is a signature, an SBOM, … of
    missing: tuple[str, ...] = ()  #: children that the registry does not have
    unknown: str = ""  #: a commit for which it was published, nobody here knows when: ``used`` may be too early


class Decision(msgspec.Struct, frozen=True, gc=False):
    """What becomes of one version, and why."""

    digest: str
    tags: tuple[str, ...]
    action: Literal["keep", "delete"]
    reason: str
    days: Optional[float] = None  #: age
    size: int = 0
    key: str = ""
    missing: tuple[str, ...] = ()


class _Verdict(NamedTuple):
    """What a version's own tags say; ``held``: nothing of its own keeps it, and it goes with what it belongs to."""

    action: Literal["keep", "delete", "held"]
    reason: str


def decide(versions: Iterable[Version], rules: Rules, now: float, *, a_tag_stays: bool = False) -> tuple[Decision, ...]:
    """What becomes of each version, in the order of deletion: what holds others before what is held.

    Args:
        versions: All manifests; those without tags too, as far as they are known.
        rules: For how long what is kept.
        now: Seconds since the epoch.
        a_tag_stays: The registry refuses to give up its last tagged version, as GitHub's does.
    """
    known = in_order(versions)
    blind = next((version for version in known if not version.readable), None)
    if blind is not None:  # it may be an index of any of the others
        why = _Verdict("keep", f"{_shown(blind)} cannot be read, so nothing is deleted")
        return tuple(_decision(version, why, now) for version in known)
    verdicts = _verdicts(known, rules, now)
    if a_tag_stays:
        _keep_one(known, verdicts)
    held = _held(known, verdicts)
    return tuple(_decision(version, held.get(version.digest, verdicts[version.digest]), now) for version in known)


def in_order(versions: Iterable[Version]) -> list[Version]:
    """Indexes before images, and both before what is attached to them; by digest within each."""
    return sorted(versions, key=lambda version: (bool(subject(version)), not version.children, version.digest))


def subject(version: Version) -> str:
    """The image to which a version is attached: by its own word, or by its tag."""
    if version.subject or not version.tags:
        return version.subject
    found = ATTACHED.match(version.tags[0])
    return f"sha256:{found[1]}" if found else ""


def holders(versions: Iterable[Version]) -> Mapping[str, Collection[str]]:
    """Digest -> those whose deletion has to come first: indexes of which it is a part, the image it is attached to."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for version in versions:
        for child in version.children:
            found[child].append(version.digest)
        of = subject(version)
        if of:
            found[version.digest].append(of)
    return found


def _verdicts(versions: Sequence[Version], rules: Rules, now: float) -> dict[str, _Verdict]:
    """By their own tags, the newest first, so that the first few of each Python and class are the floor."""
    read, known = rules.reader(), {version.digest for version in versions}
    parts = {digest for digest, of in holders(versions).items() if not known.isdisjoint(of)}
    seen: defaultdict[tuple[str, str], int] = defaultdict(int)
    found = {}
    for version in sorted(versions, key=lambda version: (-(version.used or 0.0), version.digest)):
        age = None if version.used is None else (now - version.used) / DAY
        lives = [read(tag) for tag in version.tags]
        newest = _newest(lives, rules.keep_last, seen) if age is not None and age >= 0 else ""
        spared = newest or _published_unseen(version)
        found[version.digest] = _alone(version, age, lives, spared, rules.grace, version.digest in parts)
    return found


def _newest(lives: Sequence[Life], keep_last: int, seen: defaultdict[tuple[str, str], int]) -> str:
    """Why the floor keeps a version, if it does. What has no age, or is of tomorrow, is counted by nobody."""
    found = ""
    for name, _, python in set(lives):
        seen[name, python] += 1
        if seen[name, python] <= keep_last and name and python:
            found = f"{'the' if keep_last == 1 else f'one of the {keep_last}'} newest {name} of Python {python}"
    return found


def _published_unseen(version: Version) -> str:
    """Why a version is kept that may be younger than it looks, if it may."""
    commit = version.unknown[:12]
    return f"published for {commit}, nobody knows when: this clone lacks it, and may lack its branch" if commit else ""


def _alone(
    version: Version, age: Optional[float], lives: Sequence[Life], spared: str, grace: float, is_part: bool
) -> _Verdict:
    """By its own tags: kept as long as one of them is."""
    alive = any(name for name, _, _ in lives)
    if is_part and not alive:
        return _Verdict("held", "what it belongs to goes")
    if age is None:
        return _Verdict("keep", "its age is not known")
    for tag, (name, days, _) in zip(version.tags, lives):
        if days is None or (name and age <= days):
            return _Verdict("keep", f"{tag}: {name} is kept {'for ever' if days is None else f'for {days:g} days'}")
    if spared:
        return _Verdict("keep", spared)
    if age <= grace and not alive:
        return _Verdict("keep", "it may be being published at this moment")
    why = "every tag on it has expired" if version.tags else "without a tag, and part of nothing"
    return _Verdict("delete", f"{age:.0f} days old, {why}")


def _keep_one(versions: Sequence[Version], verdicts: dict[str, _Verdict]) -> None:
    """The newest tagged version stays where every one would go."""
    tagged = [version for version in versions if version.tags]
    if tagged and all(verdicts[version.digest].action != "keep" for version in tagged):
        last = max(tagged, key=lambda version: (version.used or 0.0, version.digest))
        verdicts[last.digest] = _Verdict("keep", "the registry does not give up its last tagged version")


def _held(versions: Sequence[Version], verdicts: Mapping[str, _Verdict]) -> dict[str, _Verdict]:
    """What belongs to something kept, however indirectly: digest -> what holds it."""
    by_digest = {version.digest: version for version in versions}
    attached: defaultdict[str, list[str]] = defaultdict(list)
    for version in filter(subject, versions):
        attached[subject(version)].append(version.digest)
    waiting = [version.digest for version in versions if verdicts[version.digest].action == "keep"]
    held: dict[str, _Verdict] = {}
    while waiting:
        holder = waiting.pop()
        known = by_digest.get(holder)  # none: a part that is missing; what is attached to it stays all the same
        children = known.children if known is not None else ()
        shown = _shown(known) if known is not None else holder
        for digest in (*children, *attached.get(holder, ())):
            if digest not in held:
                held[digest] = _Verdict("keep", f"{'part of' if digest in children else 'attached to'} {shown}")
                waiting.append(digest)
    return {digest: why for digest, why in held.items() if digest in verdicts and verdicts[digest].action != "keep"}


def _decision(version: Version, verdict: _Verdict, now: float) -> Decision:
    days = None if version.used is None else round((now - version.used) / DAY, 1)
    action: Literal["keep", "delete"] = "keep" if verdict.action == "keep" else "delete"
    return Decision(
        version.digest, version.tags, action, verdict.reason, days, version.size, version.key, version.missing
    )


def _shown(version: Version) -> str:
    return version.tags[0] if version.tags else version.digest
