"""Engines that are not there, not the ones that were meant, or that stop in the middle of a run."""

from __future__ import annotations

import gc
import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.docker import Docker

from .checks import began, left_in_engine, left_of_state, told
from .conftest import Nox, wait_until
from .test_container import Relay

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]

pytestmark = [pytest.mark.docker]


@pytest.fixture
def contexts(tmp_path: Path, environment: dict[str, str]) -> Iterator[Path]:
    """A docker configuration with two contexts: ``good`` is the engine, behind ``dead`` nobody listens."""
    folder = tmp_path / "docker"
    environment["DOCKER_CONFIG"] = str(folder)
    environment.pop("DOCKER_HOST", None)
    hosts = {"good": Docker.connect().endpoint.url, "dead": f"unix://{tmp_path}/dead.sock"}
    for name, host in hosts.items():
        command = ["docker", "context", "create", name, "--docker", f"host={host}"]
        subprocess.run(command, check=True, capture_output=True, env=environment)
    yield folder
    gc.collect()


def activate(contexts: Path, name: str) -> None:
    """What ``docker context use`` writes."""
    (contexts / "config.json").write_text(json.dumps({"currentContext": name}))


def test_the_context_of_the_variable_or_the_active_one_is_taken_and_named(adopt: Adopt, contexts: Path) -> None:
    nox = adopt("flat", 'place = "container"')
    for variables in ({"DOCKER_CONTEXT": "dead"}, {}):
        activate(contexts, "good" if variables else "dead")
        ended = nox("-s", "unit-3.10", **variables)
        assert told(ended) == 2
        assert "no container engine answers at unix://" in ended.output
        assert "dead.sock (from context dead)" in ended.output
        assert "start docker or podman, or set DOCKER_HOST" in ended.output
        assert (nox.record.outcome, nox.record.cause) == ("error", "engine")
    activate(contexts, "dead")
    ended = nox("-s", "unit-3.10", DOCKER_CONTEXT="good")
    assert ended.code == 0, ended.output
    activate(contexts, "good")
    assert nox("-s", "unit-3.10").code == 0


def test_docker_host_outranks_every_context(adopt: Adopt, contexts: Path) -> None:
    nox = adopt("flat", 'place = "container"')
    activate(contexts, "dead")
    ended = nox("-s", "unit-3.10", DOCKER_CONTEXT="dead", DOCKER_HOST=Docker.connect().endpoint.url)
    gc.collect()
    assert ended.code == 0, ended.output


def test_a_context_that_does_not_exist_is_named_with_its_origin(adopt: Adopt, contexts: Path) -> None:
    nox = adopt("flat", 'place = "container"')
    activate(contexts, "nonesuch")
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 2
    assert f"the docker context 'nonesuch' (from {contexts / 'config.json'}) does not exist" in ended.output
    assert "docker context ls" in ended.output


def test_an_engine_that_stops_in_the_middle_is_told_and_what_it_holds_is_removed_when_it_is_back(
    adopt: Adopt, own_state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("e")  # a socket's path is short
    socket = Docker.connect().endpoint.url.partition("://")[2]
    relay = Relay(folder, socket)
    nox = adopt("hangs")
    nox.environment["DOCKER_HOST"] = f"unix://{relay.path}"
    process = nox.start("-s", "unit-3.10", "--", "--place", "container")
    wait_until(lambda: began(nox, "test_hangs"), "the test that hangs")
    assert left_in_engine(nox) != []  # once it is dead, any other reap on this machine finds them as well
    relay.cut()
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert f"the engine at unix://{relay.path} stopped" in output
    assert "see whether it runs (`docker info`)" in output
    assert (nox.record.outcome, nox.record.cause, nox.record.counts.passed) == ("error", "lost", 1)

    ended = nox("-s", "reap")
    assert told(ended) == 2
    assert "kept the container" in ended.output
    back = Relay(folder, socket)
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert left_in_engine(nox) == []
    assert left_of_state(own_state) == []
    back.cut()
    gc.collect()
