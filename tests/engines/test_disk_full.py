"""A full disk, wherever it is: two lines, a record, nothing left behind, and the next run is green."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable

import pytest

from noxlib.ledger import Ledger

from .checks import left_in_engine, told
from .conftest import Nox
from .test_compose import ASKED, STEP, folder, left, write
from .test_limits import TESTS

Adopt = Callable[..., Nox]
Disk = Callable[[str, int], Path]
PATIENT = "--timeout-multiplier=20"  #: of the plugin: a disk is filled by a busy machine

pytestmark = [pytest.mark.docker]

FLOOD = """
import pytest
@pytest.mark.parametrize("number", range(200))
def test_floods(number):
    print("x" * 2000)
"""

BESIDE = """
import os, pytest

pytestmark = pytest.mark.integration

def test_migrated():
    assert os.path.exists("migrated")
"""
STORES = """
import os, psycopg, pytest

pytestmark = pytest.mark.integration

def connected():
    return psycopg.connect(os.environ["DATABASE_URL"], dbname="postgres", autocommit=True)

def test_before():
    connected().close()

def test_fills():
    with connected() as connection:
        connection.execute("CREATE UNLOGGED TABLE filler (text text)")
        connection.execute("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 1000000)")

def test_after(postgres_database):
    pass
"""


def fill(disk: Path, *, but: int = 0) -> Path:
    """Fill a disk up to so many KiB; the file that does it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            stream.truncate(max(0, stream.tell() - but * 1024))
    return filler


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_state_folder_without_room_is_two_lines(adopt: Adopt, disk: Disk, place: str) -> None:
    nox = adopt("flat")
    state = disk("state", 300)
    filler = fill(state)
    ended = nox("-s", "unit-3.10", "--", "--place", place, NOXLIB_CACHE_DIR=str(state))
    assert ended.code == 1
    assert told(ended) == 2, ended.output
    assert "No space left on device" in ended.output
    assert "or set NOXLIB_CACHE_DIR" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert [path for path in state.rglob("*") if path.is_file() and path.stat().st_size] == [filler]
    assert left_in_engine(nox) == []


def test_an_environment_that_does_not_fit_leaves_nothing_half_made(adopt: Adopt, disk: Disk) -> None:
    nox = adopt("flat")
    state = disk("state", 3000)  # the locks fit, pytest does not
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE="venv", NOXLIB_CACHE_DIR=str(state))
    assert ended.code == 1
    assert told(ended) == 2, ended.output
    assert "disk is full" in ended.output or "No space left" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert Ledger(state).entries() == ()
    subprocess.run(["mount", "-o", "remount,size=200m", state], check=True)
    assert nox("-s", "unit-3.10", NOXLIB_PLACE="venv", NOXLIB_CACHE_DIR=str(state)).code == 0


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_checkout_on_a_full_disk_is_tested_all_the_same(adopt: Adopt, disk: Disk, place: str) -> None:
    checkout = disk("checkout", 500)
    nox = adopt("flat", folder="checkout/project")
    fill(checkout)
    ended = nox("-s", "unit-3.10", "--", "--place", place, "-p", "no:cacheprovider")
    assert ended.code == 0, ended.output
    assert nox.record.outcome == "passed"
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_disk_that_the_run_itself_fills_still_takes_the_record(adopt: Adopt, disk: Disk, place: str) -> None:
    checkout = disk("checkout", 1000)
    nox = adopt("flat", folder="checkout/project")
    (nox.folder / "tests" / "test_flood.py").write_text(FLOOD)
    fill(checkout, but=300)
    ended = nox("-s", "unit-3.10", "--", "--place", place, "-s")
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert "No space left on device" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert left_in_engine(nox) == []


def stores(nox: Nox, size: str) -> None:
    """A PostgreSQL with its data in memory of a size, and tests that store there."""
    project = nox.folder / "pyproject.toml"
    project.write_text(project.read_text().partition("[tool.noxlib.compose_integration]")[0])
    (nox.folder / "tests" / "test_stores.py").write_text(STORES)
    settings = ["-c", "fsync=off", "-c", "autovacuum=off"]
    environment = {"POSTGRES_USER": "shop", "POSTGRES_PASSWORD": "correct-horse"}
    database = {"image": "postgres:15", "command": ["postgres", *settings], "environment": environment}
    runner = {"DATABASE_URL": "postgresql://shop:correct-horse@db/shop"}
    write(
        nox,
        {
            "db": {**database, "tmpfs": [f"/var/lib/postgresql/data:size={size}"]},
            "test-runner": {"image": "python:3.10-slim", "environment": runner},
        },
    )


@pytest.mark.compose
def test_a_service_without_room_to_begin_is_two_lines_and_its_log_is_kept(adopt: Adopt, own_state: Path) -> None:
    nox = adopt("databases")
    stores(nox, "8m")
    ended = nox("-s", STEP)
    assert told(ended) == 2, ended.output
    assert (
        "the service db ended with 1 before the services were ready: a disk that it writes to is full" in ended.output
    )
    assert (nox.record.outcome, nox.record.cause, nox.record.attempts) == ("error", "disk-full", 1)
    assert "No space left on device" in (folder(nox) / "logs" / "db.log").read_text()
    assert left(nox) == []
    assert Ledger(own_state).entries() == ()


@pytest.mark.compose
def test_a_service_whose_disk_the_tests_fill_fails_them_and_leaves_nothing(adopt: Adopt) -> None:
    nox = adopt("databases")
    stores(nox, "100m")
    ended = nox("-s", STEP, "--", PATIENT, "tests/test_stores.py")
    assert ended.code == 1, ended.output
    record = nox.record
    assert (record.outcome, record.counts.passed) == ("failed", 1), ended.output
    messages = {failure.id.partition("::")[2]: failure.message for failure in record.failures}
    assert "No space left on device" in messages["test_fills"]
    assert messages["test_after"].startswith("Failed: PostgreSQL at db:5432: "), messages
    assert "No space left on device" in (folder(nox) / "logs" / "db.log").read_text()
    assert left(nox) == []


@pytest.mark.compose
def test_a_suite_beside_services_meets_the_limit_of_its_disk(adopt: Adopt, own_state: Path) -> None:
    """Where it also finds what a migration wrote before."""
    nox = adopt("services")
    (nox.folder / "tests" / "test_disk.py").write_text(f"{BESIDE}{TESTS}")
    write(nox, {"cache": ASKED})
    variables = {"NOXLIB_COMPOSE_INTEGRATION_DISK": "16m", "NOXLIB_COMPOSE_INTEGRATION_MIGRATE": "touch migrated"}
    ended = nox("-s", STEP, "--", "tests/test_disk.py", **variables)
    record = nox.record
    assert (ended.code, record.outcome, record.cause) == (1, "failed", "disk-full"), ended.output
    assert (record.counts.passed, record.counts.failed) == (3, 1)
    assert [one.name for one in record.services] == ["cache"]
    assert "Ready to accept connections" in (folder(nox) / "logs" / "cache.log").read_text()
    assert left(nox) == []
    assert Ledger(own_state).entries() == ()


@pytest.mark.compose
@pytest.mark.parametrize("room", [300, pytest.param(0, marks=pytest.mark.nightly)])
def test_a_checkout_on_a_disk_that_is_full_or_fills_up_leaves_no_service(adopt: Adopt, disk: Disk, room: int) -> None:
    checkout = disk("checkout", 1000)
    nox = adopt("services", folder="checkout/project")
    write(nox, {"cache": ASKED})
    (nox.folder / "tests" / "test_flood.py").write_text(f"{FLOOD}\npytestmark = pytest.mark.integration\n")
    fill(checkout, but=room)
    ended = nox("-s", STEP, "--", "-s", "-p", "no:cacheprovider", "tests/test_flood.py")
    assert "Traceback" not in ended.output
    record = nox.record
    if room:  # the run's folder is there as well
        assert (ended.code, record.outcome, record.cause) == (1, "error", "disk-full"), ended.output
    else:
        assert (ended.code, record.outcome) == (0, "passed"), ended.output
    assert left(nox) == []
