"""Medians, spreads and verdicts. Pure; all times are seconds until a figure says otherwise."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Figure(NamedTuple):
    """One measured quantity: the median of its rounds, and the smallest and largest."""

    median: float
    low: float
    high: float
    rounds: int


class Result(NamedTuple):
    """A target and what was measured. The figure and the limit are in ``unit``."""

    name: str
    target: str  #: what must hold, in words
    limit: float
    unit: str  #: ``s``, ``ms``, ``MB``, or ``x`` for a ratio
    measured: Figure
    details: dict[str, Figure]  #: what the figure was made of, for instance noxlib's time and the bare tool's
    details_unit: str = "s"

    @property
    def met(self) -> bool:
        """Whether the median is within the limit."""
        return self.measured.median <= self.limit


def figure(values: Sequence[float]) -> Figure:
    """Median, smallest and largest. Raises ValueError where nothing was measured."""
    if not values:
        raise ValueError("nothing was measured")
    return Figure(median(values), min(values), max(values), len(values))


def scaled(values: Sequence[float], factor: float) -> list[float]:
    """The values in another unit: seconds by 1000 are milliseconds."""
    return [value * factor for value in values]


def differences(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    """Ours less the bare tool's, round by round: what slows the machine for a while slows both of a pair.

    Raises:
        ValueError: the rounds do not pair.
    """
    _pairs(ours, bare)
    return [one - other for one, other in zip(ours, bare)]


def ratios(ours: Sequence[float], bare: Sequence[float]) -> list[float]:
    """Ours by the bare tool's, round by round.

    Raises:
        ValueError: the rounds do not pair.
    """
    _pairs(ours, bare)
    return [one / other for one, other in zip(ours, bare)]


def ideal(durations: Sequence[float], workers: int) -> float:
    """The least time in which so many workers can do it: the slowest one, or an equal share of all."""
    return max(*durations, sum(durations) / workers)


def _pairs(ours: Sequence[float], bare: Sequence[float]) -> None:
    if len(ours) != len(bare):
        raise ValueError(f"{len(ours)} rounds of one and {len(bare)} of the other do not pair")
