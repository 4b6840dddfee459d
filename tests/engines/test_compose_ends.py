"""``compose_integration`` that is stopped, killed, or loses its engine, in any phase; what is left, and until when."""

from __future__ import annotations

import gc
import random
import shutil
import signal
from functools import partial
from typing import TYPE_CHECKING

import pytest

from noxlib.engines.docker import Docker

from .checks import left_of_state, processes_of
from .conftest import Nox, kill_group, killed_within, wait_until
from .test_compose import CACHE, STEP, left, services, start, write
from .test_container import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.records.record import Record

__all__ = ["services"]
pytestmark = [pytest.mark.docker, pytest.mark.compose]


@pytest.fixture(autouse=True)
def _connections_closed() -> Iterator[None]:
    yield
    gc.collect()


def test_what_dead_runs_left_is_found_by_its_labels_as_well(services: Nox, own_state: Path) -> None:
    process = start(services, "testing")
    assert left(services) != []  # once it is dead, any other reap on this machine finds them as well
    kill_group(process)
    process.communicate(timeout=300)
    shutil.rmtree(own_state / "ledger")
    assert services("-s", "reap").code == 0
    assert left(services) == []


@pytest.mark.parametrize(
    ("phase", "number"),
    [
        ("starting", signal.SIGTERM),
        ("building", signal.SIGINT),
        ("waiting", signal.SIGINT),
        ("testing", signal.SIGINT),
        ("testing", signal.SIGTERM),
    ],
)
def test_a_signal_in_any_phase_leaves_nothing(services: Nox, own_state: Path, phase: str, number: int) -> None:
    process = start(services, phase)
    kill_group(process, number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0
    assert "Traceback" not in output, output
    assert services.record.outcome == "cancelled"
    assert left(services) == []
    assert left_of_state(own_state) == []
    assert processes_of(own_state) == []


def test_a_signal_while_all_is_taken_down_leaves_nothing_for_the_next_start(services: Nox, own_state: Path) -> None:
    write(services, CACHE)
    process = services.start("-s", STEP, "--", "-k", "environment")
    wait_until(lambda: any(services.folder.glob(".noxlib/runs/*/result/junit.xml")), "the end of the tests")
    kill_group(process, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output, output
    assert services("-s", "reap").code == 0
    assert left(services) == []
    assert left_of_state(own_state) == []


@pytest.mark.parametrize("moments", [3, pytest.param(10, marks=pytest.mark.nightly)])
def test_whenever_a_run_is_killed_the_next_start_leaves_nothing_of_it(
    services: Nox, own_state: Path, moments: int
) -> None:
    chance = random.Random(moments)
    assert services("-s", STEP).code == 0
    span = 20.0  # seconds of a run that finds all made; its own as soon as one has ended before it was killed
    wrong = []
    for number in range(moments):
        span = killed_within(partial(services.start, "-s", STEP), span, (number + chance.random()) / moments)
        ended = services("-s", "reap")
        found = [*left(services), *left_of_state(own_state), *processes_of(own_state)]
        if ended.code or found:
            wrong.append(f"{number}: {found}\n{ended.output}")
    assert not wrong, "\n".join(wrong)


def test_an_engine_that_stops_in_the_middle_is_told_and_the_services_go_when_it_is_back(
    services: Nox, own_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = tmp_path_factory.mktemp("e")  # a socket's path is short
    socket_ = Docker.connect().endpoint.url.partition("://")[2]
    relay = Relay(place, socket_)
    services.environment["DOCKER_HOST"] = f"unix://{relay.path}"
    process = start(services, "testing")
    assert left(services) != []
    relay.cut()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert f"the engine at unix://{relay.path} stopped" in output
    record: Record = services.record
    assert (record.outcome, record.cause) == ("error", "lost")
    back = Relay(place, socket_)
    ended = services("-s", "reap")
    assert ended.code == 0, ended.output
    assert left(services) == []
    assert left_of_state(own_state) == []
    back.cut()
