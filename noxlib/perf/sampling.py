"""The order of the samples, and what a round of benchmarks left, read as hostile data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import msgspec

from noxlib.records import result as results

SIDES = ("base", "head")
FILE = "benchmark.json"  #: in a round's result folder; pytest-benchmark's own form
_NAME = 1000  # characters of a benchmark's name


class _Stats(msgspec.Struct, frozen=True):
    median: float


class _Benchmark(msgspec.Struct, frozen=True):
    fullname: str
    stats: _Stats


class _File(msgspec.Struct, frozen=True):
    """The part that counts of what ``--benchmark-json`` writes (pytest-benchmark 3 to 5) and our timed commands too."""

    benchmarks: tuple[_Benchmark, ...]


def orders(rounds: int) -> Iterator[tuple[str, str]]:
    """Which side comes first: A B, B A, A B, …, so that a machine that gets slower with time is nobody's fault.

    >>> list(orders(2))
    [('base', 'head'), ('head', 'base')]
    """
    for number in range(rounds):
        yield (SIDES[0], SIDES[1]) if number % 2 == 0 else (SIDES[1], SIDES[0])


def read(folder: Path) -> dict[str, float]:
    """Benchmark -> the median of its repetitions in one process, in seconds; empty where there is no usable file.

    A time that is not positive was too short for the clock and is left out.
    """
    found = results.read(folder / FILE, _File)
    times = {results.text(one.fullname, _NAME): one.stats.median for one in (found.benchmarks if found else ())}
    return {name: seconds for name, seconds in times.items() if 0 < seconds < math.inf}
