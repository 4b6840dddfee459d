"""PostgreSQL 15 and Redis 7 by podman compose: the fixtures of databases there, beside workers of pytest-xdist."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.ledger import Ledger
from noxlib.records import store

from .test_databases import KEPT, STEP, logs
from .test_podman import SCRIPT, URL, engine

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker

    from .conftest import Nox

__all__ = ["engine"]
pytestmark = [pytest.mark.docker, pytest.mark.compose, pytest.mark.timeout(900)]

IMAGES = ("python:3.10-slim", "postgres:15", "redis:7")


@pytest.fixture
def databases(adopt: Callable[..., Nox], own_state: Path, engine: Docker) -> Nox:
    """The project, with a migration that no run before this one has had, and podman for its engine."""
    subprocess.run([SCRIPT, *IMAGES], check=True)
    nox = adopt("databases")
    (nox.folder / "migrations" / "0003_own.sql").write_text(f"COMMENT ON TABLE fruit IS '{uuid.uuid4()}';\n")
    nox.environment["DOCKER_HOST"] = URL
    return nox


def left(nox: Nox, engine: Docker) -> list[str]:
    """What podman has of the services of a project's runs."""
    projects = {path.stem for run in store.runs(nox.folder) for path in run.path.glob("noxlib-compose*.yml")}
    label = {PROJECT: ""}
    found = [*engine.containers(label), *engine.networks(label), *engine.volumes(label)]
    return [str(thing) for thing in found if thing["Labels"][PROJECT] in projects]


@pytest.mark.parametrize("runs", [1, pytest.param(2, marks=pytest.mark.nightly)])
def test_each_test_has_databases_of_its_own_and_a_next_run_begins_with_the_data(
    databases: Nox, engine: Docker, own_state: Path, runs: int
) -> None:
    for number in range(runs):
        ended = databases("-s", STEP, "--", "-n", "2", "tests/test_isolation.py")
        assert ended.code == 0, ended.output
        assert (KEPT in ended.output) == (number > 0)
        record = databases.record
        assert record.counts.passed == 42
        assert record.place is not None
        assert f"podman {engine.version} at {URL}" in record.place.reason
        assert {one.name for one in record.services} == {"db", "cache", "small-cache"}
        assert "database system is ready to accept connections" in (logs(databases) / "db.log").read_text()
    assert left(databases, engine) == []
    assert Ledger(own_state).entries() == ()
