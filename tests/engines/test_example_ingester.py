"""The example service of the documentation, as its maintainer runs it: lint, unit, services, coverage of both."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxlib.records import store

from .conftest import Nox

if TYPE_CHECKING:
    from noxlib.records.record import Record

EXAMPLE = Path(__file__).parents[2] / "examples" / "ingester"
LEAST = 80  #: percent of the service's lines and branches that unit and integration tests reach together
PYTHONS = ("3.9", "3.10", "3.11", "3.12")

pytestmark = [pytest.mark.docker, pytest.mark.compose]


@pytest.fixture
def ingester(tmp_path: Path, environment: dict[str, str]) -> Nox:
    """nox in a copy of the example, as somebody has it who took it from here."""
    environment["NOXLIB_ENV"] = "ci"  # where tests have more time
    environment["NOXLIB_COMPOSE_INTEGRATION_ARGS"] = "--timeout-multiplier=20"  # and still more: others are at work
    left_out = shutil.ignore_patterns(".noxlib", ".*_cache", ".hypothesis", "__pycache__")
    return Nox(Path(shutil.copytree(EXAMPLE, tmp_path / "ingester", ignore=left_out)), environment)


def records(nox: Nox) -> dict[str, Record]:
    """The newest record of each session."""
    return {run.session: store.read_record(run.path) for run in reversed(store.runs(nox.folder))}


def covered(nox: Nox) -> float:
    """Percent, of the combined report."""
    report = json.loads((nox.folder / ".noxlib" / "coverage" / "coverage.json").read_text())
    assert all(name.startswith("ingester/") for name in report["files"])
    return float(report["totals"]["percent_covered"])


def test_its_tests_pass_with_real_services_and_reach_most_of_it(ingester: Nox) -> None:
    ended = ingester("-s", "compose_lint", "unit-3.11", "compose_integration-3.11", "coverage")
    assert ended.code == 0, ended.output
    assert "compose_lint: no mistakes in docker-compose.test.yml" in ended.output
    found = records(ingester)
    unit, integration = found["unit-3.11"], found["compose_integration-3.11"]
    assert (unit.counts.failed, unit.counts.skipped, unit.counts.passed > 50) == (0, 0, True)
    assert (integration.counts.failed, integration.counts.skipped, integration.counts.passed > 15) == (0, 0, True)
    assert {one.name for one in integration.services} == {"postgres-test", "redis-test", "mock-admin", "mock-storage"}
    assert unit.testground == integration.testground
    assert "never called" not in ended.output
    assert covered(ingester) > LEAST
    assert (ingester.folder / ".noxlib" / "coverage" / "badge.svg").read_text().startswith("<svg")


@pytest.mark.nightly
@pytest.mark.timeout(2400)
def test_the_four_pythons_pass_two_at_once(ingester: Nox) -> None:
    for words in (("-j", "2", "-s", "unit"), ("-j", "2", "-s", "compose_integration"), ("-s", "coverage")):
        ended = ingester(*words)
        assert ended.code == 0, ended.output
    found = records(ingester)
    sessions = {f"{suite}-{python}" for suite in ("unit", "compose_integration") for python in PYTHONS}
    assert {name: record.outcome for name, record in found.items()} == dict.fromkeys(sessions, "passed")
    assert covered(ingester) > LEAST


@pytest.mark.nightly
def test_its_benchmarks_run_when_they_are_asked_for(ingester: Nox) -> None:
    ended = ingester("-s", "compose_integration-3.12", "--", "tests/benchmarks")
    assert ended.code == 0, ended.output
    assert records(ingester)["compose_integration-3.12"].counts.passed == 3
    assert "test_upload_of_a_megabyte" in ended.output
