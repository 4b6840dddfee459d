"""From the samples of two sides to a verdict on each benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from noxlib.errors import UsageError
from noxlib.perf.statistics import CONFIDENCE, interval, verdict
from noxlib.records.record import BenchmarkSection, PerformanceSection

Samples = Sequence[Mapping[str, float]]  #: for each round: benchmark -> seconds


def compare(base: Samples, head: Samples, threshold: float, *, commits: tuple[str, str]) -> PerformanceSection:
    """A verdict on each benchmark that both sides measured in every round; those of one side only are named.

    Args:
        base: The rounds of the base.
        head: The same rounds of the head.
        threshold: Change, in percent, from which on it counts.
        commits: What the two sides are, for the record.

    Raises:
        UsageError: no benchmark was measured on both sides, or the rounds are too few.
    """
    names = [_always(base), _always(head)]
    both = common(base, head)
    return PerformanceSection(
        base=commits[0],
        head=commits[1],
        rounds=len(base),
        threshold=threshold,
        confidence=CONFIDENCE,
        benchmarks=tuple(_one(name, base, head, threshold) for name in both),
        only_base=tuple(name for name in names[0] if name not in names[1]),
        only_head=tuple(name for name in names[1] if name not in names[0]),
    )


def common(base: Samples, head: Samples) -> list[str]:
    """The benchmarks that both sides measured in every round so far. Raises UsageError: there are none."""
    names = [_always(base), _always(head)]
    both = [name for name in names[0] if name in names[1]]
    if not both:
        raise _nothing(names)
    return both


def _always(rounds: Samples) -> list[str]:
    """The benchmarks of every round, in the order of the first."""
    return [name for name in (rounds[0] if rounds else ()) if all(name in found for found in rounds)]


def _one(name: str, base: Samples, head: Samples, threshold: float) -> BenchmarkSection:
    before, after = [found[name] for found in base], [found[name] for found in head]
    found = interval(before, after)
    return BenchmarkSection(
        name=name,
        base=median(before),
        head=median(after),
        ratio=found.estimate,
        low=found.low,
        high=found.high,
        verdict=verdict(found, threshold),
    )


def _nothing(names: Sequence[Sequence[str]]) -> UsageError:
    counts = f"{len(names[0])} on the base, {len(names[1])} on the head"
    return UsageError(
        f"no benchmark was measured on both sides ({counts}), so nothing was compared",
        "mark code as a benchmark with pytest-benchmark's fixture, or compare a program: --command 'python work.py'",
        cause="no-benchmarks",
    )
