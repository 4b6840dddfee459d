"""Services that stay up between runs, by hand and by ``--keep``; and tests on this machine beside them."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path
from typing import Callable

import pytest

from noxlib.records import store

from .checks import left_of_state, told
from .conftest import Nox, kill_group, wait_until
from .registries import free_port
from .test_compose import ASKED, STEP, left, services, start, write

__all__ = ["services"]
pytestmark = [pytest.mark.docker, pytest.mark.compose]

#: What a run finds in the cache that it was given, and leaves there.
COUNTS = """
import os, pytest, redis

@pytest.mark.integration
def test_counts():
    host, port = (os.environ["NOXLIB_SERVICE_CACHE_" + name] for name in ("HOST", "PORT"))
    there = redis.Redis.from_url(os.environ["CACHE_URL"])
    assert redis.Redis(host, int(port)).ping()
    print("runs before this one: %d, at %s" % (there.incr("runs") - 1, host))
"""
FILL = """
import os, redis

redis.Redis.from_url(os.environ["CACHE_URL"]).set("filled", "it is")
"""
COUNTED = re.compile(r"runs before this one: (\d+), at (\S+)")


@pytest.fixture
def counting(services: Nox) -> Nox:
    """A project with one service, and a test that tells what it finds there."""
    (services.folder / "tests" / "test_counts.py").write_text(COUNTS)
    declare(services)
    return services


def declare(nox: Nox, port: int = 6379, **variables: str) -> None:
    runner = {"image": "python:3.10-slim", "environment": {"CACHE_URL": f"redis://cache:{port}/0"}}
    listens = {"command": ["redis-server", "--port", str(port)], "expose": [str(port)]}
    health = {**ASKED["healthcheck"], "test": ["CMD", "redis-cli", "-p", str(port), "ping"]}
    cache = {**ASKED, **listens, "healthcheck": health, "environment": variables}
    write(nox, {"cache": cache, "test-runner": runner})


def counted(nox: Nox, *options: str, **variables: str) -> tuple[int, str, str]:
    """How many runs there were before, where the cache is, and all that was printed."""
    ended = nox("-s", STEP, "--", *options, "-s", "tests/test_counts.py", **variables)
    assert ended.code == 0, ended.output
    found = COUNTED.search(ended.output)
    assert found is not None, ended.output
    return int(found[1]), found[2], ended.output


def reached(nox: Nox) -> tuple[str, int]:
    """Where the cache is, by the file for a shell."""
    file = nox.folder / ".noxlib" / "compose" / f"{STEP}.env"
    assert file.stat().st_mode & 0o777 == 0o600
    variables = dict(line.split("=", 1) for line in file.read_text().splitlines())
    host, port = variables["NOXLIB_SERVICE_CACHE_HOST"], variables["NOXLIB_SERVICE_CACHE_PORT"]
    assert variables["CACHE_URL"] == f"redis://{host}:{port}/0"
    return host, int(port)


def asked(end: tuple[str, int], words: bytes) -> bytes:
    with socket.create_connection(end, 60) as connection:
        connection.sendall(words + b"\r\n")
        return connection.recv(100)


def test_services_stay_up_are_used_again_and_go_by_hand(counting: Nox, own_state: Path) -> None:
    (counting.folder / "fill.py").write_text(FILL)
    filled = {"NOXLIB_COMPOSE_INTEGRATION_SEED": '["python fill.py"]'}
    first = counting("-s", STEP, "--", "--up", **filled)
    assert "seed: python fill.py" in first.output
    assert asked(reached(counting), b"GET filled") == b"$5\r\nit is\r\n"
    assert asked(reached(counting), b"SET runs 5") == b"+OK\r\n"
    assert "cache of docker-compose.test.yml are up already" in counting("-s", STEP, "--", "--up", **filled).output
    assert " cache " in counting("-s", STEP, "--", "--ps").output
    logs = counting("-s", STEP, "--", "--logs", "cache").output
    assert "Ready to accept connections" in logs
    assert "\x1b" not in logs
    assert "stays up: the services of compose_integration-3.10" in counting("-s", "reap").output
    kept = {"NOXLIB_COMPOSE_INTEGRATION_RESET": '{"cache": []}'}
    assert counted(counting, **kept)[:2] == (5, "cache")
    number, host, output = counted(counting, "--place", "venv")
    assert (number, host) == (0, "127.0.0.1")
    assert "emptying cache" in output
    assert (counting.record.place and counting.record.place.name) == "compose_venv"
    declare(counting, NEW="1")
    assert "since these differ: services.cache.environment.NEW" in counted(counting)[2]
    assert asked(reached(counting), b"GET runs") == b"$1\r\n1\r\n"
    assert "1 services removed" in counting("-s", STEP, "--", "--down").output
    assert left(counting) == []
    assert left_of_state(own_state) == []
    for word in ("--ps", "--logs"):
        ended = counting("-s", STEP, "--", word)
        assert told(ended) == 2
        assert "no services are up" in ended.output


def test_services_that_were_kept_go_once_their_time_has_come(counting: Nox, own_state: Path) -> None:
    _, _, output = counted(counting, "--keep", NOXLIB_COMPOSE_INTEGRATION_KEEP_HOURS="0")
    assert "cache is up at 127.0.0.1:" in output
    assert "which nobody asked for any more" in counting("-s", "reap").output
    assert left(counting) == []
    assert left_of_state(own_state) == []


def test_a_run_that_has_the_services_leaves_another_its_own_and_takes_them_along_when_it_dies(
    counting: Nox, own_state: Path
) -> None:
    assert counting("-s", STEP, "--", "--up").code == 0
    process = start(counting, "testing")
    try:
        number, _, output = counted(counting)
        assert (number, "is up at" in output) == (0, False)
        refused = counting("-s", STEP, "--", "--down")
        assert told(refused) == 2
        assert "a run has the services" in refused.output
    finally:
        kill_group(process)
        process.communicate(timeout=300)
    assert counting("-s", "reap").code == 0
    assert left(counting) == []
    assert left_of_state(own_state) == []


def test_ports_are_each_services_own_and_one_where_that_is_asked_for(counting: Nox) -> None:
    fixed, port = {"NOXLIB_COMPOSE_INTEGRATION_PORTS": "fixed"}, free_port()
    declare(counting, port - 1)
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        ended = counting("-s", STEP, "--", "--place", "venv", **fixed)
        assert told(ended) == 2, ended.output
        assert "a port of this machine that the services want is taken" in ended.output
        assert str(port) in ended.output
    assert counting("-s", STEP, "--", "--up", **fixed).code == 0
    assert reached(counting) == ("127.0.0.1", port)
    assert counting("-s", STEP, "--", "--down", **fixed).code == 0
    assert left(counting) == []


def test_tests_are_run_at_each_change_until_ctrl_c(counting: Nox, own_state: Path) -> None:
    def rounds(number: int) -> Callable[[], bool]:
        return lambda: (
            len([run for run in store.runs(counting.folder) if (run.path / "record.json").exists()]) == number
        )

    process = counting.start("-s", STEP, "--", "--watch", "tests/test_counts.py")
    assert process.stdout is not None
    before = ""
    for number in (1, 2):
        wait_until(rounds(number), f"round {number}")
        for line in process.stdout:
            before += line
            if "waiting for a change" in line:
                break
        if number == 1:
            other = counting.folder.with_name("other.py")  # at once: a file that is empty for a moment is a change too
            other.write_text(COUNTS + "    assert 0\n")
            other.replace(counting.folder / "tests" / "test_counts.py")
    kill_group(process, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert "changed: tests/test_counts.py" in before + output
    assert "watchfiles" not in before + output
    assert "no longer watching" in output
    assert "Traceback" not in output
    assert [store.read_record(run.path).outcome for run in store.runs(counting.folder)] == ["failed", "passed"]
    assert left(counting) == []
    assert left_of_state(own_state) == []
