"""``docker-compose.test.yml`` by hand, with nothing of noxlib: the commands at its beginning, on any machine."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.docker, pytest.mark.compose]

ROOT = Path(__file__).parents[2]
Compose = Callable[..., str]


@pytest.fixture
def compose() -> Iterator[Compose]:
    """docker compose with our file, in a project of its own; what it prints."""
    project = f"plain-{secrets.token_hex(4)}"

    def call(*words: str) -> str:
        argv = ["docker", "compose", "--ansi", "never", "-p", project, "-f", "docker-compose.test.yml", *words]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")}
        done = subprocess.run(argv, cwd=ROOT, env=kept, capture_output=True, text=True, timeout=600, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    yield call
    call("--profile", "*", "down", "-v", "--rmi", "local")
    docker = Docker.connect()
    assert docker.containers({PROJECT: project}) == docker.volumes({PROJECT: project}) == ()
    docker.close()


def test_the_tests_run_by_hand_without_and_with_the_mock_peers(compose: Compose) -> None:
    compose("build", "test-runner")
    output = compose("up", "--exit-code-from", "test-runner", "test-runner")
    assert "3 passed, 6 skipped" in output, output
    assert "mock-admin" not in output
    compose("down", "-v")
    output = compose("--profile", "integration", "up", "--exit-code-from", "test-runner")
    assert "9 passed" in output, output
    assert "9 passed" in compose("logs", "test-runner")


def test_services_are_published_at_free_ports_or_at_the_ones_that_are_asked_for(
    compose: Compose, monkeypatch: pytest.MonkeyPatch
) -> None:
    compose("up", "--detach", "--wait", "redis-test")
    assert compose("port", "redis-test", "6379").startswith("127.0.0.1:")
    assert "(healthy)" in compose("ps")
    monkeypatch.setenv("REDIS_TEST_PORT", "26380")
    compose("up", "--detach", "--wait", "redis-test")
    assert compose("port", "redis-test", "6379") == "127.0.0.1:26380\n"
