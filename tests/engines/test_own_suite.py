"""noxlib is its own first user: its unit tests pass through its own sessions on every Python that it supports."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.records import store

from .conftest import Nox

ROOT = Path(__file__).resolve().parents[2]
MEASURED = "3.12"  #: the Python on which coverage is measured as well: it costs a tenth of the time
BETWEEN = ("3.10", "3.11")  #: in the lane ci the oldest and the newest; scripts/test runs them on a Python between too

pytestmark = [pytest.mark.docker, pytest.mark.timeout(2400)]


@pytest.mark.parametrize("python", ["3.9", *(pytest.param(one, marks=pytest.mark.nightly) for one in BETWEEN), "3.12"])
def test_its_own_unit_tests_pass_in_its_own_testground(environment: dict[str, str], python: str) -> None:
    nox = Nox(ROOT, environment)
    nox.deadline = 2100.0
    session = f"unit-{python}"
    words = ("-q", "-p", "no:cacheprovider", "--hypothesis-profile=portable")
    coverage = "true" if python == MEASURED else "false"
    ended = nox("-s", session, "--", "--place", "container", *words, NOXLIB_UNIT_COVERAGE=coverage)
    assert ended.code == 0, ended.output[-5000:]
    run = next(run for run in store.runs(ROOT) if run.session == session)
    record = store.read_record(run.path)
    assert (record.outcome, record.place and record.place.name) == ("passed", "container")
    assert record.interpreter.version.startswith(f"{python}.")
    assert record.counts.passed > 1000
    assert record.counts.skipped == 0
    assert bool(list((run.path / "coverage").glob(".coverage*"))) == (python == MEASURED)
