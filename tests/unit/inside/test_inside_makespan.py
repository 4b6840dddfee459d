"""Which shard runs which test: complete, the same everywhere, within Graham's bound; groups stay together."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.inside import makespan
from noxlib.inside.makespan import SECOND, Block, Case, Cost, assign, costs, spread

TESTS = st.lists(
    st.builds(
        Case,
        st.builds("{}.py::{}".format, st.sampled_from("abc"), st.text(max_size=4)),
        st.lists(st.sampled_from(("p", "m", "n")), max_size=2).map(tuple),
    ),
    max_size=40,
)
RECORDED = st.builds(Cost, st.integers(0, 3 * SECOND), st.integers(0, 9 * SECOND))


@st.composite
def suites(draw: st.DrawFn) -> tuple[list[Case], dict[str, Cost]]:
    tests = draw(TESTS)
    known = [test.id for test in tests if draw(st.booleans())]
    return tests, {test: draw(RECORDED) for test in known}


@given(suite=suites(), count=st.integers(1, 9), data=st.data())
def test_shards_partition_the_tests_whatever_their_order(
    suite: tuple[list[Case], dict[str, Cost]], count: int, data: st.DataObject
) -> None:
    tests, recorded = suite
    shards = assign(tests, recorded, count)
    assert len(shards) == len(tests)
    assert all(0 <= shard < count for shard in shards)
    order = data.draw(st.permutations(range(len(tests))))
    again = assign([tests[at] for at in order], recorded, count)
    assert Counter(zip((tests[at].id for at in order), again)) == Counter(zip((test.id for test in tests), shards))


@given(weights=st.lists(st.integers(0, 10**7), max_size=60), count=st.integers(1, 9))
def test_the_longest_first_ends_within_grahams_bound(weights: list[int], count: int) -> None:
    loads = [
        sum(block.weight for block in blocks)
        for blocks in spread([Block(one, (at,)) for at, one in enumerate(weights)], count)
    ]
    assert sum(loads) == sum(weights)
    ordered = sorted(weights, reverse=True)
    # No schedule ends before an equal share, the longest, or the N-th and the next one after each other.
    pair = sum(ordered[count - 1 : count + 1]) if len(ordered) > count else 0
    least = max(-(-sum(weights) // count), *ordered[:1], pair, 0)
    assert max(loads) <= least * (2 - 1 / count) + 1
    if len(weights) <= count or count == 1:
        assert max(loads) == max(least, *ordered[:1], 0)


def test_tests_that_share_an_expensive_fixture_are_together_and_pay_it_once() -> None:
    tests = [Case(f"a.py::{at}", ("a",)) for at in range(4)] + [Case(f"b.py::{at}") for at in range(4)]
    recorded = {test.id: Cost(0, SECOND) for test in tests}
    recorded["a.py::0"] = Cost(3 * SECOND, SECOND)
    assert len({shard for test, shard in zip(tests, assign(tests, recorded, 2)) if test.shared}) == 1
    recorded["a.py::2"] = Cost(3 * SECOND, SECOND)  # another run began with that one: it is the same set-up
    assert len({shard for test, shard in zip(tests, assign(tests, recorded, 2)) if test.shared}) == 1


def test_a_cheap_fixture_keeps_nothing_together() -> None:
    tests = [Case(f"a.py::{at}", ("a",)) for at in range(4)]
    recorded = {test.id: Cost(at, SECOND) for at, test in enumerate(tests)}
    assert sorted(assign(tests, recorded, 2)) == [0, 0, 1, 1]


@pytest.mark.parametrize(("setup", "shards"), [(1, 4), (30, 4), (600, 1)])
def test_a_group_is_cut_only_where_that_is_worth_it(setup: int, shards: int) -> None:
    group = [Case(f"a.py::{at:03}", ("a",)) for at in range(100)]
    recorded = {test.id: Cost(0, SECOND) for test in group}
    recorded[group[0].id] = Cost(setup * SECOND, SECOND)
    assert len(set(assign(group, recorded, 4))) == shards


def test_the_widest_expensive_scope_counts() -> None:
    tests = [Case(f"{name}.py::{at}", ("package", name)) for name in "ab" for at in range(3)]
    recorded = {test.id: Cost(0, 1) for test in tests}
    recorded["a.py::0"] = Cost(SECOND, 1)
    assert len(set(assign(tests, recorded, 2))) == 1


def test_a_test_without_a_record_costs_what_its_file_does_else_all_else_a_second() -> None:
    tests = [Case("a::x"), Case("a::y"), Case("b::z"), Case("a::new"), Case("c::new")]
    recorded = {"a::x": Cost(1, 1), "a::y": Cost(0, 4), "b::z": Cost(0, 9)}
    assert [sum(cost) for cost in costs(tests, recorded)] == [2, 4, 9, 3, 5]
    assert costs(tests, {}) == [Cost(0, SECOND)] * 5
    assert Counter(assign(tests, {}, 2)) == {0: 3, 1: 2}


def test_without_tests_nothing_is_assigned() -> None:
    assert assign([], {}, 3) == []
    assert makespan.shared_setup([]) == 0
