"""Databases beside the tests: one for each test, migrated once and kept; what goes wrong on the way."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.records import store

from .checks import left_in_engine, told

if TYPE_CHECKING:
    from .conftest import Nox

pytestmark = [pytest.mark.docker, pytest.mark.compose]

STEP = "compose_integration-3.10"
PATIENT = "--timeout-multiplier=20"  #: of the plugin: tests that start pytest several times, on a busy machine
KEPT = "db has the data of an earlier run, nothing changed since"


@pytest.fixture
def databases(adopt: Callable[..., Nox]) -> Nox:
    """The project, with a migration that no run before this one has had."""
    nox = adopt("databases")
    (nox.folder / "migrations" / "0003_own.sql").write_text(f"COMMENT ON TABLE fruit IS '{uuid.uuid4()}';\n")
    return nox


def logs(nox: Nox) -> Path:
    return store.runs(nox.folder)[0].path / "logs"


def test_each_test_has_a_database_of_its_own_and_the_next_run_begins_with_the_data(databases: Nox) -> None:
    first = databases("-s", STEP, "--", "--env-config", "ci", PATIENT, "-n", "2")
    assert first.code == 0, first.output
    assert "noxlib: migration: python migrate.py\nnoxlib: seed: seed.sql\n" in first.output
    assert databases.record.counts.passed == 58
    assert (logs(databases) / "migrate.log").read_text() == "0001_fruit.sql\n0002_settings.sql\n0003_own.sql\n"
    second = databases("-s", STEP, "--", PATIENT, "-n", "2", "tests/test_isolation.py")
    assert second.code == 0, second.output
    assert KEPT in second.output
    assert not (logs(databases) / "migrate.log").exists()
    assert databases.record.counts.passed == 42
    assert left_in_engine(databases) == []


BROKEN = {
    "migration": (
        "migrations/0009_wrong.sql",
        "CREATE TABEL no ();",
        "the migration `python migrate.py` ended with 1",
        'syntax error at or near "TABEL"',
        "migrate.log",
    ),
    "seed": (
        "seed.sql",
        "\\set secret correct-horse\nINSERT INTO nothing VALUES (:'secret');",
        "the seed `seed.sql` ended with 3",
        'relation "nothing" does not exist',
        "seed.log",
    ),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_fails_is_two_lines_with_its_log_and_no_test_runs(databases: Nox, kind: str) -> None:
    name, text, what, shown, log = BROKEN[kind]
    (databases.folder / name).write_text(text)
    ended = databases("-s", STEP)
    assert told(ended) == 2, ended.output
    assert what in ended.output
    assert f"  {kind} | " in ended.output
    assert shown in ended.output
    assert shown in (logs(databases) / log).read_text()
    assert "correct-horse" not in ended.output + (logs(databases) / log).read_text()
    record = databases.record
    assert (record.outcome, record.cause, record.attempts, record.counts.passed) == ("error", kind, 1, 0)
    assert left_in_engine(databases) == []
