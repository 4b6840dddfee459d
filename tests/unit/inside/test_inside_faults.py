"""What a network does, as data: what makes no sense is refused, chance is the same for the same seed."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.inside.faults import PACKET, PROFILES, Faults, Schedule, fraction, from_json, gap, schedule

LENGTHS = st.floats(min_value=0.01, max_value=1e6)


def test_a_name_is_a_profile_and_a_hyphen_is_an_underscore() -> None:
    assert schedule("hpc-login").at(0.0) == (PROFILES["hpc_login"], math.inf)
    assert set(PROFILES) == {"good", "hpc_login", "wan", "flaky", "down"}


def test_values_replace_those_of_a_profile() -> None:
    assert schedule("wan", loss=0).at(5.0)[0] == Faults(latency=0.12, jitter=0.02, bandwidth=2.5e6)
    assert schedule({"latency": 1}, jitter=0.5).at(0.0)[0] == Faults(latency=1, jitter=0.5)


@pytest.mark.parametrize(
    ("given_", "values", "message"),
    [
        ("wna", {}, "there is no network 'wna'; there are good, hpc_login"),
        ("good", {"lag": 1}, "there is no fault 'lag'"),
        ("good", {"latency": -1}, "latency must be a number of 0 or more, found -1"),
        ("good", {"latency": math.nan}, "latency must be a number"),
        ("good", {"latency": "1"}, "latency must be a number"),
        ("good", {"jitter": True}, "jitter must be a number"),
        ("good", {"loss": 1.5}, "loss is a share from 0 to 1"),
        ("good", {"cut_at": -1}, "cut_at must be a whole number of bytes"),
        ("good", {"cut_at": 1.5}, "cut_at must be a whole number of bytes"),
        ("good", {"cut_by": "axe"}, "cut_by is reset or close"),
        ("good", {"refuse": "yes"}, "refuse is True or False, found 'yes'"),
        (None, {}, "pairs of seconds and one of these, found None"),
        ([(1,)], {}, "pairs of seconds and one of these"),
        ([(1, None)], {}, "expected a profile or faults, found None"),
        ([], {}, "at least one turn"),
        ([(0, "good")], {}, "seconds above zero, found 0"),
        ([(1, "good"), (math.inf, "down")], {}, "seconds above zero, found inf"),
    ],
)
def test_what_makes_no_sense_is_refused(given_: Any, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        schedule(given_, **values)


@given(st.lists(LENGTHS, min_size=1, max_size=5), st.floats(min_value=0, max_value=1e7))
def test_turns_come_one_after_the_other_for_ever(lengths: list[float], seconds: float) -> None:
    turns = schedule([(length, {"cut_at": number}) for number, length in enumerate(lengths)])
    faults, left = turns.at(seconds)
    assert faults.cut_at in range(len(lengths))
    assert left > 0
    if len(lengths) > 1:
        assert left <= lengths[faults.cut_at or 0] * (1 + 1e-6)
        assert turns.at(0.0) == (turns.turns[0][1], lengths[0])


@given(st.lists(st.tuples(LENGTHS, st.sampled_from(sorted(PROFILES))), min_size=1))
def test_a_schedule_survives_the_way_to_the_other_process(turns: list[tuple[float, str]]) -> None:
    made = schedule(turns)
    assert from_json(made.to_json()) == made
    assert from_json(Schedule().to_json()) == Schedule()


@given(st.lists(st.integers(min_value=0, max_value=1 << 40), min_size=1, max_size=4))
def test_chance_is_the_same_for_the_same_numbers(numbers: list[int]) -> None:
    assert 0 <= fraction(*numbers) < 1
    assert fraction(*numbers) == fraction(*numbers)


def test_chance_is_even() -> None:
    found = [fraction(7, number) for number in range(10_000)]
    assert sum(found) / len(found) == pytest.approx(0.5, abs=0.02)
    assert len(set(found)) == len(found)


@pytest.mark.parametrize("loss", [0.001, 0.01, 0.3, 1.0])
def test_packets_are_lost_as_often_as_was_asked(loss: float) -> None:
    gaps = [gap(loss, fraction(1, number)) for number in range(20_000)]
    assert all(found % PACKET == 0 and found > 0 for found in gaps)
    assert PACKET * len(gaps) / sum(gaps) == pytest.approx(loss, rel=0.05)
