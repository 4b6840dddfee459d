"""Is one side slower than the other? Paired samples in, a ratio with its interval and a verdict out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from statistics import median
from typing import Any, Literal

import msgspec

from noxlib.errors import UsageError

Verdict = Literal["slower", "faster", "same", "inconclusive"]

CONFIDENCE = 0.95
RESAMPLES = 9999
LEAST_PAIRS = 5  #: of fewer even the lowest and the highest do not enclose the median in 90 of 100 cases
_SEED = 20131  # the same samples give the same interval


class Interval(msgspec.Struct, frozen=True):
    """Time of the head divided by that of the base: an estimate, and the ends of its confidence interval."""

    estimate: float
    low: float
    high: float


def interval(base: Sequence[float], head: Sequence[float], confidence: float = CONFIDENCE) -> Interval:
    """How many times as long the head takes as the base.

    The two samples of a pair were taken one right after the other, so that what slows the machine for a while slows
    both: the logarithm of their ratio is what is resampled (paired bootstrap, percentile interval; Efron & Tibshirani,
    An Introduction to the Bootstrap, 1993, chapters 8 and 13). The median takes no harm from a single stall. One pair
    is two fresh processes, since repetitions within one process share its memory layout (Kalibera & Jones, Rigorous
    Benchmarking in Reasonable Time, 2013).

    Args:
        base: Seconds, one for each round.
        head: Seconds of the same rounds, in the same order.
        confidence: Of the interval, between 0 and 1.

    Raises:
        UsageError: there are fewer than LEAST_PAIRS pairs, or scipy is not installed.
        ValueError: the two are not of the same length, or a time is not positive and finite.
    """
    ratios = log_ratios(base, head)
    if len(ratios) < LEAST_PAIRS:
        raise UsageError(f"{len(ratios)} rounds tell nothing", f"take at least --rounds {LEAST_PAIRS}")
    low, high = _bootstrap(ratios, confidence)
    return Interval(math.exp(median(ratios)), math.exp(low), math.exp(high))


def log_ratios(base: Sequence[float], head: Sequence[float]) -> list[float]:
    """``ln(head / base)`` of each pair: a change and its opposite differ in sign alone. Raises ValueError."""
    if len(base) != len(head):
        raise ValueError(f"{len(base)} samples of the base and {len(head)} of the head are no pairs")
    if not all(0 < value < math.inf for value in (*base, *head)):
        raise ValueError("a time is not positive and finite")
    return [math.log(after) - math.log(before) for before, after in zip(base, head)]


def verdict(found: Interval, threshold: float) -> Verdict:
    """What an interval says about a change of ``threshold`` percent.

    Slower or faster only where the whole interval lies beyond the threshold, the same only where the whole of it lies
    within; everything else is inconclusive. Faster by 5 % is the opposite of slower by 5 %: a ratio below 1 / 1.05.
    """
    limit = 1 + threshold / 100
    if found.low > limit:
        return "slower"
    if found.high < 1 / limit:
        return "faster"
    return "same" if found.low >= 1 / limit and found.high <= limit else "inconclusive"


def _bootstrap(ratios: Sequence[float], confidence: float) -> tuple[float, float]:
    if max(ratios) == min(ratios):  # nothing to resample; scipy would warn of a degenerate distribution
        return ratios[0], ratios[0]
    numpy, stats = _scipy()
    found = stats.bootstrap(
        (ratios,),
        numpy.median,
        n_resamples=RESAMPLES,
        confidence_level=confidence,
        method="percentile",
        random_state=numpy.random.default_rng(_SEED),
    ).confidence_interval
    return float(found.low), float(found.high)


def _scipy() -> tuple[Any, Any]:
    """Numpy and scipy.stats: 0.5 s, and an extra; only where there is something to compute."""
    try:
        return import_module("numpy"), import_module("scipy.stats")
    except ImportError as error:
        raise UsageError("scipy is not installed beside noxlib", "install it: pip install 'noxlib[perf]'") from error
