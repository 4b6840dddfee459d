"""Carrying a plan out over a store in memory that fails, refuses and changes as it likes."""

from __future__ import annotations

from typing import Any, Optional

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.engines.versions import Stored
from noxlib.errors import EngineError
from noxlib.testground import retention, retention_apply
from noxlib.testground.retention import Decision, Version
from noxlib.testground.retention_apply import Carrying
from noxlib.testground.retention_rules import DAY, Rules

NOW = 1_800_000_000.0
#: 500, fewer under ``portable``, more under ``explore``, which is the nightly one.
EXAMPLES = 5 * settings().max_examples if settings().derandomize else 10_000
RULES = Rules(keep_last=0)


class Memory:
    """A store: digest -> version. ``answers`` are causes with which deletions of digests fail."""

    a_tag_stays = False
    registry: Any = None

    def __init__(self, versions: list[Version], answers: Optional[dict[str, str]] = None) -> None:
        self.versions = {version.digest: version for version in versions}
        self.answers = answers or {}
        self.gone: dict[str, Version] = {}

    def listed(self) -> tuple[Stored, ...]:
        return tuple(Stored(found.digest, found.tags, found.key) for found in self.versions.values())

    def now(self, stored: Stored) -> Optional[Stored]:
        found = self.versions.get(stored.digest)
        return Stored(found.digest, found.tags, found.key) if found else None

    def delete(self, stored: Stored) -> None:
        if stored.digest in self.answers:
            raise EngineError("it does not want to", "ask it", cause=self.answers[stored.digest])
        self.gone[stored.digest] = self.versions.pop(stored.digest)

    def deleted(self) -> tuple[Stored, ...]:
        return tuple(Stored(found.digest, found.tags, found.key) for found in self.gone.values())

    def restore(self, stored: Stored) -> None:
        self.versions[stored.digest] = self.gone.pop(stored.digest)


def version(letter: str, *tags: str, days: float = 400, children: str = "", subject: str = "") -> Version:
    made = NOW - days * DAY
    return Version(letter, tags, made, children=tuple(children), subject=subject, key=f"id-{letter}")


def plan(*versions: Version) -> tuple[Decision, ...]:
    decided = retention.decide(versions, RULES, NOW)
    return tuple(decision for decision in decided if decision.action == "delete")


def carry(store: Memory, deletions: tuple[Decision, ...]) -> tuple[Carrying, dict[str, str]]:
    versions = list(store.versions.values())
    told: dict[str, str] = {}
    carrying = Carrying(store, versions, retention.decide(versions, RULES, NOW))
    carrying.apply(deletions, lambda decision, action, why: told.update({decision.digest: f"{action}: {why}"}))
    return carrying, told


def test_what_fails_does_not_stop_the_rest() -> None:
    versions = [version(letter, f"py3.10-pr-{number}") for number, letter in enumerate("abc")]
    store = Memory(versions, {"b": "unsupported"})
    carrying, told = carry(store, plan(*versions))
    assert (set(store.versions), len(carrying.failures)) == ({"b"}, 1)
    assert told["b"] == "failed: it does not want to"


@pytest.mark.parametrize("cause", ["lost", "rate-limit"])
def test_what_would_fail_for_all_ends_it(cause: str) -> None:
    versions = [version(letter, f"py3.10-pr-{number}") for number, letter in enumerate("abc")]
    store = Memory(versions, {"b": cause})
    carrying, told = carry(store, plan(*versions))
    assert (set(store.versions), len(carrying.failures)) == ({"b", "c"}, 2)
    assert told["c"].startswith("left")


def test_a_refusal_for_good_is_no_failure() -> None:
    versions = [version("a", "py3.10-pr-1"), version("b", "py3.10-pr-2")]
    carrying, told = carry(Memory(versions, {"a": "refused"}), plan(*versions))
    assert (len(carrying.refused), carrying.failures, len(carrying.gone)) == (1, [], 1)
    assert told["a"].startswith("kept")


@pytest.mark.parametrize("cause", ["refused", "unsupported"])
def test_the_parts_of_an_index_that_could_not_be_deleted_stay(cause: str) -> None:
    versions = [version("z", "py3.10-pr-1", children="ab"), version("a"), version("b"), version("c", subject="a")]
    store = Memory(versions, {"z": cause})
    _, told = carry(store, plan(*versions))
    assert set(store.versions) == set("zabc")
    assert told["a"] == "kept: it belongs to z, which is still there"


def test_a_plan_is_carried_out_once() -> None:
    versions = [version("z", "py3.10-pr-1", children="a"), version("a"), version("k", "py3.10-v1")]
    store, deletions = Memory(versions), plan(*versions)
    assert len(carry(store, deletions)[0].gone) == 2
    again, told = carry(store, deletions)
    assert (again.gone, again.failures, set(store.versions)) == ([], [], {"k"})
    assert set(told.values()) == {"kept: it is gone already"}


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        (version("a", "py3.10-pr-1", "py3.10-pr-2"), "its tags are others than in the plan"),
        (version("a"), "its tags are others than in the plan: none"),
        (version("a", "py3.10-pr-1", days=2), "py3.10-pr-1: pr is kept for 7 days"),
        (version("a", "py3.10-v1"), "py3.10-v1: release is kept for ever"),
        (Version("a", ("py3.10-pr-1",), 0.0, key="id-new"), "it was published anew since the plan was made"),
    ],
)
def test_what_changed_since_the_plan_is_left_alone(changed: Version, why: str) -> None:
    store = Memory([changed])
    _, told = carry(store, plan(version("a", "py3.10-pr-1")))
    assert set(store.versions) == {"a"}
    assert why in told["a"]


def test_a_tag_that_moves_while_the_plan_is_carried_out_saves_its_image() -> None:
    versions = [version("a", "py3.10-pr-1"), version("b", "py3.10-pr-2")]
    store = Memory(versions)
    carrying = Carrying(store, versions, retention.decide(versions, RULES, NOW))

    def tell(decision: Decision, action: str, _: str) -> None:
        if (decision.digest, action) == ("a", "gone"):
            store.versions["b"] = version("b", "py3.10-pr-2", "py3.10-v1")

    carrying.apply(plan(*versions), tell)
    assert set(store.versions) == {"b"}


def test_what_a_plan_deleted_comes_back_parts_first() -> None:
    versions = [version("z", "py3.10-pr-1", children="a"), version("a"), version("b", "py3.10-pr-2")]
    store, deletions = Memory(versions), plan(*versions)
    carry(store, deletions)
    order: list[str] = []
    failures = retention_apply.restore(store, deletions, lambda decision, *_: order.append(decision.digest))
    assert (failures, set(store.versions), order) == ([], set("zab"), ["b", "a", "z"])
    del store.versions["a"]
    (failure,) = retention_apply.restore(store, deletions, lambda *_: None)
    assert "last 30 days" in failure.what


letters = st.sampled_from("abcdefgh")
versions = st.builds(
    lambda letter, tags, days, children, subject: version(
        letter,
        *tags,
        days=days,
        children="".join(sorted({child for child in children if child > letter})),  # by hash, no circle can be
        subject=subject if subject > letter and not children else "",
    ),
    letters,
    st.lists(st.sampled_from(["py3.10-pr-1", "py3.10-v1", "py3.9-main", "x", "py3.10-fp-0"]), max_size=2, unique=True),
    st.floats(0, 200),
    st.lists(letters, max_size=2),
    letters,
)
worlds = st.lists(versions, max_size=8, unique_by=lambda found: found.digest)


@settings(max_examples=EXAMPLES)
@given(
    worlds,
    worlds,
    st.dictionaries(letters, st.sampled_from(["refused", "unsupported", "lost"])),
    st.sets(letters),
)
def test_whatever_fails_and_changes_nothing_that_is_kept_is_lost(
    before: list[Version], after: list[Version], answers: dict[str, str], changed: set[str]
) -> None:
    """The plan is of one registry, and is carried out on another one, part of which changed since."""
    deletions = plan(*before)
    other = {found.digest: found for found in after}
    there = [other.get(found.digest, found) if found.digest in changed else found for found in before]
    store = Memory(there, answers)
    carry(store, deletions)
    planned = {decision.digest: set(decision.tags) for decision in deletions}
    for found in there:
        if found.digest in store.versions:
            continue
        assert planned.get(found.digest) == set(found.tags)
        assert all(NOW - (found.used or 0) > life(tag) * DAY for tag in found.tags)
    here = {found.digest for found in there}
    for found in store.versions.values():
        assert {child for child in found.children if child in here} <= set(store.versions)
        assert {one.digest for one in there if one.subject == found.digest} <= set(store.versions)


def life(tag: str) -> float:
    return {"py3.10-pr-1": 7, "py3.9-main": 90, "py3.10-fp-0": -1}.get(tag, float("inf"))
