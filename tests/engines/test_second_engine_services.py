"""Services in an engine that has no room, or no port, left for them: told, kept in the record, and gone afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger

from .checks import told
from .conftest import Nox
from .test_compose import ASKED, STEP, folder, write
from .test_second_engine import Engine

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.compose]

FILLS = "FROM redis:7\nRUN dd if=/dev/zero of=/big bs=1M count=2000\n"


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    """An engine with a small disk, and two ports for all that is published."""
    one = Engine(ports="40000 40001")
    one.load("redis:7")
    yield one
    one.close()


@pytest.fixture
def services(adopt: Callable[..., Nox], own_state: Path, engine: Engine) -> Nox:
    """The project that needs services, in that engine. Its tests run on this machine, so no testground goes there."""
    nox = adopt("services")
    assert nox.environment["NOXLIB_CACHE_DIR"] == str(own_state)
    nox.environment["DOCKER_HOST"] = engine.url
    return nox


def refused(nox: Nox) -> str:
    ended = nox("-s", STEP, "--", "--place", "venv")
    assert told(ended) == 2, ended.output
    assert (nox.record.outcome, nox.record.attempts) == ("error", 1)
    return ended.output


def left(engine: Engine) -> list[str]:
    """All that compose has there: nobody else uses it."""
    docker = Docker.connect({"DOCKER_HOST": engine.url})
    label = {PROJECT: ""}
    found = [*docker.containers(label), *docker.networks(label), *docker.volumes(label), *docker.images(label)]
    docker.close()
    return [str(thing) for thing in found]


def test_a_range_without_a_free_port_is_told_as_that(services: Nox, engine: Engine, own_state: Path) -> None:
    write(services, {name: {**ASKED, "ports": ["127.0.0.1::6379"]} for name in ("one", "two", "three")})
    output = refused(services)
    assert "no port of this machine is free for the services: " in output
    assert "or widen the range" in output
    assert services.record.cause == "port"
    assert "all ports are allocated" in (folder(services) / "logs" / "compose.log").read_text()
    assert left(engine) == []
    assert Ledger(own_state).entries() == ()


def test_a_disk_that_is_full_as_services_are_made_is_told_and_the_next_start_removes_what_could_not_be(
    services: Nox, engine: Engine, own_state: Path
) -> None:
    write(services, {"cache": ASKED})
    filler = engine.fill()
    assert "the engine's disk is full" in refused(services)
    assert services.record.cause == "disk-full"
    filler.unlink()
    ended = services("-s", "reap")
    assert ended.code == 0, ended.output
    assert left(engine) == []
    assert Ledger(own_state).entries() == ()


@pytest.mark.nightly
def test_a_disk_that_a_services_build_fills_is_told_and_nothing_stays(
    services: Nox, engine: Engine, own_state: Path
) -> None:
    (services.folder / "Dockerfile").write_text(FILLS)
    write(services, {"cache": ASKED, "built": {"build": "."}})
    assert "the engine's disk is full" in refused(services)
    assert services.record.cause == "disk-full"
    assert left(engine) == []
    assert Ledger(own_state).entries() == ()
