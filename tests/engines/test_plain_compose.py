"""``docker-compose.test.yml`` by hand, with nothing of noxlib: the commands at its beginning, on any machine."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker

from .registries import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.compose]

ROOT = Path(__file__).parents[2]
Compose = Callable[..., str]


@pytest.fixture
def project() -> str:
    return f"plain-{secrets.token_hex(4)}"


@pytest.fixture
def docker() -> Iterator[Docker]:
    connected = Docker.connect()
    yield connected
    connected.close()


@pytest.fixture
def compose(project: str, docker: Docker) -> Iterator[Compose]:
    """docker compose with our file, in a project of its own; what it prints."""

    def call(*words: str) -> str:
        argv = ["docker", "compose", "--ansi", "never", "-p", project, "-f", "docker-compose.test.yml", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        done = subprocess.run(argv, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield call
    call("--profile", "*", "down", "-v", "--rmi", "local")
    assert left(docker, project) == ()


def left(docker: Docker, project: str) -> tuple[object, ...]:
    """What there is of a project."""
    label = {PROJECT: project}
    return (*docker.containers(label), *docker.volumes(label), *docker.networks(label))


def test_the_tests_run_by_hand_without_and_with_the_mock_peers(compose: Compose, docker: Docker, project: str) -> None:
    compose("build", "test-runner")
    output = compose("up", "--build", "--exit-code-from", "test-runner", "test-runner")
    assert "mock-admin" not in output
    assert "3 passed, 6 skipped" in compose("logs", "test-runner"), output  # all of them, however soon `up` ends
    assert "Exited (0)" in compose("ps", "--all", "test-runner")
    compose("down", "-v")
    assert left(docker, project) == ()
    output = compose("--profile", "integration", "up", "--build", "--exit-code-from", "test-runner")
    assert "9 passed" in compose("logs", "-f", "test-runner"), output  # it follows what runs, and ends with it


def test_its_data_are_in_memory_and_its_network_is_its_own(compose: Compose, docker: Docker, project: str) -> None:
    compose("up", "--no-start", "postgres-test", "redis-test")
    (volume,) = docker.volumes({PROJECT: project})
    assert (volume["Name"], volume["Options"]["type"]) == (f"{project}_ingester-test-postgres-data", "tmpfs")
    abouts = [docker.inspect(one["Id"]) for one in docker.containers({PROJECT: project})]
    networks = {name for about in abouts if about for name in about["NetworkSettings"]["Networks"]}
    assert networks == {f"{project}_ingester-test-network"}
    assert ["/data"] in [list(about["HostConfig"].get("Tmpfs") or ()) for about in abouts if about]


def test_every_port_is_free_or_the_one_that_is_asked_for(compose: Compose, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(published(compose).values()) == {""}
    asked = {"POSTGRES_TEST": "5433", "REDIS_TEST": "6380", "MOCK_ADMIN": "8001", "MOCK_STORAGE": "8011"}
    for name, port in asked.items():
        monkeypatch.setenv(f"{name}_PORT", port)
    assert published(compose) == {name.lower().replace("_", "-"): port for name, port in asked.items()}


def published(compose: Compose) -> dict[str, str]:
    """The port of this machine that the file gives each service; empty for a free one."""
    services = json.loads(compose("--profile", "*", "config", "--format", "json"))["services"]
    return {name: one["ports"][0].get("published", "") for name, one in services.items() if "ports" in one}


def test_services_are_published_at_free_ports_or_at_the_ones_that_are_asked_for(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose("up", "--detach", "--wait", "redis-test")
    assert compose("port", "redis-test", "6379").startswith("127.0.0.1:")
    assert "(healthy)" in compose("ps")
    port = str(free_port())
    monkeypatch.setenv("REDIS_TEST_PORT", port)
    compose("up", "--detach", "--wait", "redis-test")
    assert compose("port", "redis-test", "6379") == f"127.0.0.1:{port}\n"
