"""A database for each test, tests that wait on their services side by side, and data kept instead of migrated anew."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from benchmarks import sampling
from benchmarks.figures import Result, figure, ratios, scaled
from benchmarks.projects import project
from benchmarks.sampling import in_turns, nox
from benchmarks.steps import PYTHON

if TYPE_CHECKING:
    from benchmarks.projects import Project

STEP = f"compose_integration-{PYTHON}"
SETTINGS = f"""\
pythons = ["{PYTHON}"]
packages = ["pytest-xdist"]
fixtures = ["postgres"]
write_back = ["seconds.json"]

[compose_integration]
select = ""
migrate = "python migrate.py"
"""
#: As most have it in tests: in memory, and no waiting for a disk.
FILE = """\
services:
  db:
    image: postgres:15
    command: [postgres, -c, fsync=off]
    environment: {POSTGRES_PASSWORD: only-here}
    tmpfs: [/var/lib/postgresql/data]
  test-runner:
    image: python:3.10-slim
    environment: {DATABASE_URL: "postgresql://postgres:only-here@db/postgres", MIGRATED: "${MIGRATED:-}"}
"""
MIGRATE = """\
import os
import pathlib

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    for file in sorted(pathlib.Path("migrations").iterdir()):
        connection.execute(file.read_text())
"""
TABLE = "CREATE TABLE table_{0} (id serial PRIMARY KEY, name text UNIQUE, at timestamptz DEFAULT now());\n"
CLONES = """\
import json
import time

import pytest

seconds = []


@pytest.fixture
def timed(request):
    begun = time.perf_counter()
    found = request.getfixturevalue("postgres_database")
    seconds.append(time.perf_counter() - begun)
    return found


@pytest.mark.parametrize("number", range(101))
def test_clone(noxlib_postgres, timed, number):
    pass


def test_last():
    with open("seconds.json", "w") as stream:
        json.dump(seconds, stream)
"""
#: Each asks its database for something that takes as long as a query, or a peer's answer, does.
WAITING = """\
import psycopg
import pytest


@pytest.mark.parametrize("number", range(200))
def test_waits(postgres_database, number):
    with psycopg.connect(**postgres_database.parameters) as connection:
        connection.execute("SELECT pg_sleep(0.05)")
"""
MIGRATIONS = 100  #: tables, each of a migration of its own


def run(rounds: int) -> list[Result]:
    """Measure; image, lock and prepared files are there after the first round, which warms up."""
    with project("bench_databases") as ours:
        for path, text in {
            "noxlib.toml": SETTINGS,
            "docker-compose.test.yml": FILE,
            "migrate.py": MIGRATE,
            "tests/test_one.py": "def test_one(postgres_database):\n    pass\n",
            "tests/test_clones.py": CLONES,
            "tests/test_waiting.py": WAITING,
            **{f"migrations/{number:03}.sql": TABLE.format(number) for number in range(MIGRATIONS)},
        }.items():
            ours.file(path, text)
        return [_kept(ours, rounds), _clones(ours), _side_by_side(ours, rounds)]


def _session(ours: Project, *words: str, migrated: str = "") -> float:
    return sampling.timed(nox("-s", STEP, "--", "-q", *words), ours.root, {"MIGRATED": migrated})


def _kept(ours: Project, rounds: int) -> Result:
    """A run that begins with kept data by one that migrates: another variable of the runner is another key."""
    times = iter(range(10**6))
    one = "tests/test_one.py"
    calls = {
        "migrated": lambda: _session(ours, one, migrated=str(next(times))),
        "kept": lambda: _session(ours, one),
    }
    values = in_turns(calls, rounds)
    what = (
        f"{STEP} of one test with the data of an earlier run, by one that migrates {MIGRATIONS} tables and keeps them"
    )
    details = {name: figure(found) for name, found in values.items()}
    return Result("databases kept", what, 0.9, "x", figure(ratios(values["kept"], values["migrated"])), details)


def _clones(ours: Project) -> Result:
    """A test's own database: a clone of the migrated one."""
    _session(ours, "tests/test_clones.py")
    first, *seconds = json.loads((ours.root / "seconds.json").read_text(encoding="utf-8"))
    what = f"a database of a test's own from a template of {MIGRATIONS} tables (the first: {first * 1000:.0f} ms)"
    return Result("databases clone", what, 60.0, "ms", figure(scaled(seconds, 1000)), {})


def _side_by_side(ours: Project, rounds: int) -> Result:
    """200 tests that wait on their services: the suite alone, as its record has it."""

    def suite(*words: str) -> float:
        _session(ours, *words, "tests/test_waiting.py")
        timings = ours.latest("record.json")["timings"]
        assert isinstance(timings, dict)
        return float(timings["run"])

    values = in_turns({"-n 2": lambda: suite("-n", "2"), "serial": suite}, rounds)
    details = {name: figure(found) for name, found in values.items()}
    what = "200 tests that wait on their database with -n 2, by the same one after the other"
    return Result("databases -n 2", what, 1 / 1.4, "x", figure(ratios(values["-n 2"], values["serial"])), details)
