"""Four Pythons one after the other, and by two workers: how much is lost of what two cores can do."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks.figures import Result, figure, ideal
from benchmarks.projects import Project, project, text
from benchmarks.sampling import await_quiet, nox, say, timed

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
    """Measure serial and parallel in turns.

    Beside it, in the same rounds, what two workers that start ``docker run`` reach of their own ideal: on a machine
    that others use as well, both fall short.
    """
    with project("bench_warm") as ours:
        ours.file("tests/test_works.py", SUITE)
        images = [_image(ours, python) for python in PYTHONS]
        values: dict[str, list[float]] = {"noxlib": [], "bare": []}
        for number in range(1, max(2, rounds // 5) + 1):
            await_quiet()
            serial = [ours.unit(python, "container") for python in PYTHONS]
            values["noxlib"].append(_together(ours) / ideal(serial, WORKERS))
            serial = [_bare(ours, image) for image in images]
            values["bare"].append(_bare_together(ours, images) / ideal(serial, WORKERS))
            say(f"  round {number}: " + ", ".join(f"{name} {found[-1]:.2f} x" for name, found in values.items()))
    return [
        Result(
            name="parallel",
            target="four Pythons by -j 2 / max(slowest, sum / 2)",
            limit=LIMIT,
            unit="x",
            measured=figure(values["noxlib"]),
            details={"docker run by two workers": figure(values["bare"])},
            details_unit="x",
        )
    ]


def _image(ours: Project, python: str) -> str:
    ours.warm_up(python, "container")
    return text(ours.latest("record.json"), "testground", "image")


def _together(ours: Project) -> float:
    sessions = [f"unit-{python}" for python in PYTHONS]
    return timed(nox("-j", str(WORKERS), "-s", *sessions), ours.root, {"NOXLIB_PLACE": "container"})


def _bare(ours: Project, image: str) -> float:
    return timed(("docker", "run", "--rm", "-v", f"{ours.root}:/workspace", image, "pytest"), ours.root)


def _bare_together(ours: Project, images: list[str]) -> float:
    start = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda image: _bare(ours, image), images))
    return time.perf_counter() - start
