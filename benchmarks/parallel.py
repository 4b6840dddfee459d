"""Four Pythons one after the other, and by two workers: how much is lost of what two cores can do."""

from __future__ import annotations

from benchmarks.figures import Result, figure, ideal
from benchmarks.projects import Project, project
from benchmarks.sampling import nox, say, timed

LIMIT = 1.15
WORKERS = 2
PYTHONS = ("3.9", "3.10", "3.11", "3.12")
#: Seconds of work on one core, so that two cores are busy with two suites; time spent waiting for a core is not work.
SUITE = """\
import time


def test_works():
    end = time.process_time() + 5.0
    while time.process_time() < end:
        sum(range(10000))
"""


def run(rounds: int) -> list[Result]:
    """Measure serial and parallel in turns."""
    with project("bench_warm") as ours:
        ours.file("tests/test_works.py", SUITE)
        for python in PYTHONS:
            ours.warm_up(python, "container")
        losses, together = [], []
        for number in range(1, max(2, rounds // 5) + 1):
            serial = [ours.unit(python, "container") for python in PYTHONS]
            together.append(_together(ours))
            losses.append(together[-1] / ideal(serial, WORKERS))
            each = ", ".join(f"{seconds:.1f}" for seconds in serial)
            say(f"  round {number}: one by one {each} s; together {together[-1]:.1f} s: {losses[-1]:.2f} x")
    return [
        Result(
            name="parallel",
            target="four Pythons by -j 2 / max(slowest, sum / 2)",
            limit=LIMIT,
            unit="x",
            measured=figure(losses),
            details={"together": figure(together)},
        )
    ]


def _together(ours: Project) -> float:
    sessions = [f"unit-{python}" for python in PYTHONS]
    return timed(nox("-j", str(WORKERS), "-s", *sessions), ours.root, {"NOXLIB_PLACE": "container"})
