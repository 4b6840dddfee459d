from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.testground import retention
from noxlib.testground.retention import DAY, Decision, Rules, Version

NOW = 1_800_000_000.0
COMMIT = "c" * 40
#: Tag, days for which it is kept. Written down again by hand: what the rules say in words.
LIVES: dict[str, float] = {
    "py3.10-v1.2.3": float("inf"),
    "py3.10-latest": float("inf"),
    "py3.10-main": 90,
    "py3.10-feat-a": 30,
    "py3.10-vm-support": 30,
    f"py3.10-{COMMIT}": 30,
    "py3.10-pr-12": 7,
    "py3.10-fp-0123456789abcdef": 1,
    "buildcache-py3.10": float("inf"),
    "py3.10-buildcache": float("inf"),
    "v1.0": float("inf"),
    "py3.10": float("inf"),
}


def version(digest: str, *tags: str, days: float | None = 400, children: tuple[str, ...] = ()) -> Version:
    return Version(digest, tags, None if days is None else NOW - days * DAY, children=children)


def actions(*versions: Version) -> dict[str, str]:
    return {decision.digest: decision.action for decision in retention.decide(versions, Rules(), NOW)}


@pytest.mark.parametrize(("tag", "days"), LIVES.items())
def test_a_tag_is_kept_for_so_many_days(tag: str, days: float) -> None:
    assert actions(version("d", tag, days=min(days, 10_000) - 0.01)) == {"d": "keep"}
    assert actions(version("d", tag, days=days + 0.01 if days < 10_000 else 10_000)) == {
        "d": "keep" if days > 10_000 else "delete"
    }


def test_what_does_not_say_its_age_is_kept() -> None:
    assert actions(version("d", "py3.10-pr-1", days=None)) == {"d": "keep"}


def test_what_was_made_in_the_future_is_kept() -> None:
    assert actions(version("d", "py3.10-pr-1", days=-3)) == {"d": "keep"}


def test_parents_go_before_their_children() -> None:
    versions = [version("a", "py3.10-pr-1"), version("z", "py3.10-pr-2", children=("a",))]
    order = [decision.digest for decision in retention.decide(versions, Rules(), NOW)]
    assert order == ["z", "a"]


def test_indexes_in_indexes_hold_their_parts_and_a_circle_ends() -> None:
    top = version("t", "py3.10-v1", children=("m",))
    middle = version("m", "py3.10-pr-1", children=("b", "t"))
    assert actions(top, middle, version("b", "py3.10-pr-2"), version("x", "py3.10-pr-3")) == {
        "t": "keep",
        "m": "keep",
        "b": "keep",
        "x": "delete",
    }


digests = st.sampled_from("abcdefgh")
versions = st.builds(
    Version,
    digest=digests,
    tags=st.lists(st.sampled_from(sorted(LIVES)), min_size=1, max_size=3, unique=True).map(tuple),
    used=st.none() | st.floats(-5, 500).map(lambda days: NOW - days * DAY),
    children=st.lists(digests, max_size=2).map(tuple),
    readable=st.sampled_from([True] * 9 + [False]),
)


@given(st.lists(versions, max_size=8, unique_by=lambda found: found.digest))
def test_decisions_are_those_of_a_simpler_model(registry: list[Version]) -> None:
    decided = retention.decide(registry, Rules(), NOW)
    assert {decision.digest for decision in decided if decision.action == "delete"} == expected(registry)
    assert sorted(decision.digest for decision in decided) == sorted(found.digest for found in registry)
    assert all(decision.reason for decision in decided)


def expected(registry: list[Version]) -> set[str]:
    """What goes: begin with all that is old, and take back what something kept points to, until nothing changes."""
    if not all(found.readable for found in registry):
        return set()
    old = {
        found.digest
        for found in registry
        if found.used is not None and all(NOW - found.used > LIVES[tag] * DAY for tag in found.tags)
    }
    while True:
        held = {child for found in registry if found.digest not in old for child in found.children}
        if not held & old:
            return old
        old -= held


def test_a_plan_names_what_it_deletes() -> None:
    decisions = (Decision("a", (), "keep", "r"), Decision("b", (), "delete", "r"))
    assert [decision.digest for decision in retention.Plan("i", "t", Rules(), decisions).deletions] == ["b"]
