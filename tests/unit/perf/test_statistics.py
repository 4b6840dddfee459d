"""A verdict on speed: symmetric, deterministic, blind to noise, and never given on too little."""

from __future__ import annotations

import math
import random
from statistics import median

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.errors import UsageError
from noxlib.perf.statistics import LEAST_PAIRS, Interval, interval, log_ratios, verdict

OPPOSITE = {"slower": "faster", "faster": "slower", "same": "same", "inconclusive": "inconclusive"}
SECONDS = st.floats(1e-6, 1e3)
PAIRS = st.lists(st.tuples(SECONDS, SECONDS), min_size=LEAST_PAIRS, max_size=12)
THRESHOLDS = st.floats(0, 100)


def sides(pairs: list[tuple[float, float]]) -> tuple[list[float], list[float]]:
    return [base for base, _ in pairs], [head for _, head in pairs]


def noisy(seconds: float, factors: list[float], seed: int) -> list[float]:
    """Times of one side on a machine that is slowed down by these factors, with 1 % of noise of its own."""
    chance = random.Random(seed)
    return [seconds * factor * (1 + chance.uniform(-0.01, 0.01)) for factor in factors]


@given(PAIRS, THRESHOLDS)
@settings(max_examples=50)
def test_swapping_the_sides_flips_the_verdict(pairs: list[tuple[float, float]], threshold: float) -> None:
    base, head = sides(pairs)
    found, swapped = interval(base, head), interval(head, base)
    assert swapped.low == pytest.approx(1 / found.high, rel=1e-6)
    assert swapped.high == pytest.approx(1 / found.low, rel=1e-6)
    limit = 1 + threshold / 100
    if all(abs(end * at - 1) > 1e-6 for end in (found.low, found.high) for at in (limit, 1 / limit)):
        assert verdict(swapped, threshold) == OPPOSITE[verdict(found, threshold)]


@given(st.lists(SECONDS, min_size=LEAST_PAIRS, max_size=30), st.floats(0.001, 100))
@settings(max_examples=50)
def test_identical_data_is_the_same_and_never_slower(times: list[float], threshold: float) -> None:
    found = interval(times, times)
    assert (found.low, found.estimate, found.high) == (1.0, 1.0, 1.0)
    assert verdict(found, threshold) == "same"


@given(PAIRS)
@settings(max_examples=50)
def test_the_estimate_lies_in_its_interval_and_that_within_the_data(pairs: list[tuple[float, float]]) -> None:
    base, head = sides(pairs)
    ratios = log_ratios(base, head)
    found = interval(base, head)
    assert found.low <= found.estimate <= found.high
    assert found.estimate == pytest.approx(math.exp(median(ratios)))
    assert math.exp(min(ratios)) <= found.low * (1 + 1e-9)
    assert found.high <= math.exp(max(ratios)) * (1 + 1e-9)


@given(st.integers(0, 10_000), st.lists(st.floats(1, 10), min_size=10, max_size=10))
@settings(max_examples=40)
def test_an_injected_slowdown_is_found_however_the_machine_drifts(seed: int, drift: list[float]) -> None:
    base, head = noisy(0.010, drift, seed), noisy(0.012, drift, seed + 1)
    assert verdict(interval(base, head), 5) == "slower"
    assert verdict(interval(head, base), 5) == "faster"


@given(st.integers(0, 10_000), st.lists(st.floats(1, 10), min_size=10, max_size=10))
@settings(max_examples=40)
def test_the_same_code_on_a_machine_that_drifts_is_the_same(seed: int, drift: list[float]) -> None:
    base, head = noisy(0.010, drift, seed), noisy(0.010, drift, seed + 1)
    assert verdict(interval(base, head), 5) == "same"


def test_one_stall_decides_nothing() -> None:
    base = [1.0] * 10
    head = [1.0, 1.001, 0.999, 1.0, 30.0, 1.0, 1.001, 1.0, 0.999, 1.0]
    assert verdict(interval(base, head), 5) == "same"


def test_the_same_samples_give_the_same_interval() -> None:
    base, head = [1.0, 1.1, 0.9, 1.2, 1.0, 1.3], [1.1, 1.0, 1.0, 1.4, 1.2, 1.1]
    assert interval(base, head) == interval(base, head)


def test_more_confidence_makes_the_interval_no_narrower() -> None:
    base, head = [1.0, 1.1, 0.9, 1.2, 1.0, 1.3], [1.1, 1.0, 1.0, 1.4, 1.2, 1.1]
    narrow, wide = interval(base, head, 0.5), interval(base, head, 0.99)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (1.06, 1.2, "slower"),
        (1.04, 1.2, "inconclusive"),
        (0.9, 0.95, "faster"),
        (0.9, 0.96, "inconclusive"),
        (0.96, 1.04, "same"),
        (0.5, 2.0, "inconclusive"),
    ],
)
def test_a_verdict_needs_the_whole_interval(low: float, high: float, expected: str) -> None:
    assert verdict(Interval((low + high) / 2, low, high), 5) == expected


def test_too_few_rounds_are_refused() -> None:
    with pytest.raises(UsageError, match="4 rounds tell nothing"):
        interval([1.0] * 4, [1.0] * 4)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_cannot_be_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="not positive and finite"):
        interval([1.0] * 5, [1.0, 1.0, bad, 1.0, 1.0])


def test_sides_of_different_length_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="no pairs"):
        interval([1.0] * 5, [1.0] * 6)


def test_without_scipy_the_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("noxlib.perf.statistics.import_module", _absent)
    with pytest.raises(UsageError) as caught:
        interval([1.0, 1.0, 1.0, 1.0, 1.0], [1.0, 1.1, 1.0, 1.0, 1.0])
    assert "noxlib[perf]" in caught.value.todo


def _absent(name: str) -> None:
    raise ImportError(name)
