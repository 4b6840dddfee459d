"""``compose_integration`` where the compose file is wrong, or a service never gets ready: two lines, nothing left."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from .checks import told
from .conftest import Nox
from .test_compose import ASKED, CACHE, STEP, folder, left, services, write

__all__ = ["services"]
pytestmark = [pytest.mark.docker, pytest.mark.compose]

BROKEN: dict[str, tuple[dict[str, Any], str]] = {
    "exits 1": (
        {**CACHE, "bad": {"image": "redis:7", "command": ["sh", "-c", "echo first >&2; echo no disk >&2; exit 1"]}},
        "the service bad ended with 1 before the services were ready",
    ),
    "exits 0": (
        {**CACHE, "bad": {"image": "redis:7", "command": ["true"]}},
        "the service bad ended with 0 before the services were ready",
    ),
    "loops": (
        {**CACHE, "bad": {"image": "redis:7", "restart": "always", "command": ["sh", "-c", "exit 3"]}},
        "the service bad ends again and again, last with 3",
    ),
    "eats memory": (
        {"bad": {"image": "redis:7", "mem_limit": "16m", "command": ["tail", "/dev/zero"]}},
        "the service bad was killed for lack of memory before the services were ready",
    ),
    "no image": ({"bad": {"image": "localhost:1/absent:1"}}, "the image of bad cannot be pulled"),
    "unhealthy": (
        {"bad": {"image": "redis:7", "healthcheck": {"test": ["CMD", "false"], "interval": "300ms", "retries": 2}}},
        "the service bad is unhealthy before the services were ready",
    ),
    "unknown command": ({"bad": {"image": "redis:7", "command": ["no-such-program"]}}, "no-such-program"),
    "mounts nothing": (
        {"bad": {**ASKED, "volumes": ["./absent.json:/x.json"]}},
        "absent.json, which does not exist",
    ),
    "no service": ({}, "has no service beside test-runner"),
    "a cycle": ({"a": {**ASKED, "depends_on": ["b"]}, "b": {**ASKED, "depends_on": ["a"]}}, "cycle"),
    "an unknown key": ({"bad": {"image": "redis:7", "imagine": 1}}, "imagine"),
    "a variable": ({"bad": {"image": "redis:${ABSENT_VERSION:?is not set}"}}, "ABSENT_VERSION"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_mistake_in_the_services_is_two_lines_and_leaves_nothing(services: Nox, name: str) -> None:
    stack, text = BROKEN[name]
    write(services, stack)
    ended = services("-s", STEP)
    assert told(ended) == 2, ended.output
    assert text in ended.output
    assert (services.record.outcome, services.record.attempts) == ("error", 1)
    assert left(services) == []


def test_the_last_lines_of_a_service_that_failed_are_shown_and_its_log_is_kept(services: Nox) -> None:
    write(services, BROKEN["exits 1"][0])
    ended = services("-s", STEP)
    assert "  bad | first\n  bad | no disk\n" in ended.output
    assert (folder(services) / "logs" / "bad.log").read_text() == "first\nno disk\n"


def refused(nox: Nox, *words: str, **variables: str) -> str:
    ended = nox("-s", STEP, *words, **variables)
    assert told(ended) == 2, ended.output
    return ended.output


def test_what_cannot_be_had_is_two_lines(services: Nox) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert "a port of this machine that the services want is taken" in refused(services, REDIS_TEST_PORT=port)
    assert services.record.cause == "port"
    assert left(services) == []
    assert "has no service 'x'; it has mock-admin" in refused(services, NOXLIB_COMPOSE_INTEGRATION_RUNNER="x")
    assert "has no profile 'x'; it has integration" in refused(services, "--", "--profile", "x")
    assert "there is no file x.yml" in refused(services, NOXLIB_COMPOSE_INTEGRATION_FILE="x.yml")
    assert "no container engine answers" in refused(services, DOCKER_HOST="unix:///run/nothing.sock")
    bare = shutil.which("nox") or "nox"
    assert "no docker command with compose is on PATH" in refused(services, PATH=str(Path(bare).parent))
    (services.folder / "docker-compose.test.yml").write_text("services: [")
    assert "docker-compose.test.yml: " in refused(services)
