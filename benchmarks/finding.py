"""Four unchanged testgrounds found again: lock, fingerprint and image, without a builder; the engine's import apart."""

from __future__ import annotations

import subprocess
import sys

from benchmarks.figures import Result, figure, scaled
from benchmarks.projects import Project, project
from benchmarks.sampling import Failed, base_environment, in_turns

LIMIT = 50.0
PYTHONS = ("3.9", "3.10", "3.11", "3.12")
SCRIPT = """\
import sys, time
from pathlib import Path
from noxlib.config.detect import load_project
from noxlib.engines.docker import Docker
from noxlib.testground import image, lock

docker = Docker.connect()
start = time.perf_counter()
project = load_project(Path.cwd())
for python in sys.argv[1:]:
    locked = lock.find_or_make(project, python, docker.platform)
    image.find_or_build(project, python, locked, docker, build=False)
print(time.perf_counter() - start)
"""


def run(rounds: int) -> list[Result]:
    """Measure, each round in a process of its own, so that nothing is remembered."""
    with project("bench_warm") as ours:
        for python in PYTHONS:
            ours.warm_up(python, "container")
        values = in_turns({"noxlib": lambda: _found(ours)}, rounds)
    return [
        Result(
            name="find",
            target="four unchanged testgrounds found, engine import apart",
            limit=LIMIT,
            unit="ms",
            measured=figure(scaled(values["noxlib"], 1000)),
            details={},
        )
    ]


def _found(ours: Project) -> float:
    """Seconds that a process took to find them, as it says itself."""
    done = subprocess.run(
        (sys.executable, "-c", SCRIPT, *PYTHONS),
        cwd=ours.root,
        env=base_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failed(done.stderr.strip())
    return float(done.stdout)
