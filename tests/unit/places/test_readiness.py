"""Ready, not yet or never: decided by the engine's own description of a container."""

from __future__ import annotations

import contextlib
import re
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from noxlib.errors import PlaceError
from noxlib.places import addresses, box, probe, readiness
from noxlib.places.readiness import Look, Waiting, look
from noxlib.places.stack import Stack

if TYPE_CHECKING:
    from noxlib.engines.background import Background
    from noxlib.engines.compose import Compose


def about(status: str, code: int = 0, restarts: int = 0, **state: Any) -> dict[str, Any]:
    return {"State": {"Status": status, "ExitCode": code, **state}, "RestartCount": restarts}


def health(status: str, *said: str) -> dict[str, Any]:
    return about("running", Health={"Status": status, "Log": [{"Output": text} for text in said]})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (about("created"), Look()),
        (about("restarting", 1, 1), Look(restarts=1)),
        (about("running"), Look(running=True)),
        (about("running", restarts=2), Look(running=True, restarts=2)),
        (health("starting"), Look(running=True, asked=True)),
        (health("healthy"), Look(ready=True, running=True, asked=True)),
        (health("unhealthy"), Look(failed="is unhealthy")),
        (health("unhealthy", "early", "first\nno route\n"), Look(failed="is unhealthy", said="no route")),
        (about("exited", 0), Look(failed="ended with 0")),
        (about("dead", 3), Look(failed="ended with 3")),
        (about("exited", 137, OOMKilled=True), Look(failed="was killed for lack of memory")),
        (about("restarting", 3, 3), Look(failed="ends again and again, last with 3")),
        (about("running", 0, 3), Look(running=True, restarts=3)),  # the engine has forgotten the 3
    ],
)
def test_a_service_is_ready_or_not_or_never(found: dict[str, Any], expected: Look) -> None:
    assert look(found, one_shot=False) == expected


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (about("running"), Look()),
        (health("healthy"), Look()),
        (about("exited", 0), Look(ready=True)),
        (about("exited", 2), Look(failed="ended with 2")),
    ],
)
def test_a_service_whose_end_is_awaited_is_ready_at_its_end(found: dict[str, Any], expected: Look) -> None:
    assert look(found, one_shot=True) == expected


def test_asked_at_its_port_is_what_nobody_asks_for_its_health() -> None:
    ports: dict[str, Any] = {"ports": [{"target": 80}]}
    services: dict[str, dict[str, Any]] = {
        "mock": ports,
        "asked": {**ports, "healthcheck": {"test": ["CMD", "true"]}},
        "disabled": {**ports, "healthcheck": {"disable": True, "test": ["NONE"]}},
        "plain": {},
        "once": ports,
    }
    found = Stack("f", "runner", services, box.ALONE, awaited=("once",))
    assert probe.targets(found) == {"mock", "disabled"}
    reached = addresses.on_network(found.services)
    assert probe.ends(found, reached) == {"mock": [("mock", 80, "")], "disabled": [("disabled", 80, "")]}


def test_what_shares_no_network_with_the_tests_is_not_asked_from_there() -> None:
    services: dict[str, dict[str, Any]] = {
        "near": {"ports": [{"target": 80}], "networks": {"default": None}},
        "behind": {"ports": [{"target": 80}], "networks": {"inner": None}},
        "host": {"ports": [{"target": 80}], "network_mode": "host"},
    }
    networks = {"default": {"name": "demo_default"}, "inner": {"name": "demo_inner"}}
    joined = box.Attachment(networks={"demo_default": ("runner",)})
    found = Stack("f", "runner", services, joined, networks=networks)
    assert probe.beside(found) == {"near": {80: ("near", 80)}}


def test_a_known_program_is_asked_at_its_first_port_by_what_it_answers() -> None:
    services = {"mock": {"image": "registry:5000/mockserver/mockserver:5.15.0", "ports": [{"target": 80}]}}
    found = Stack("f", "runner", services, box.ALONE)
    reached = {"mock": {80: ("127.0.0.1", 4080), 81: ("127.0.0.1", 4081)}}
    assert probe.ends(found, reached) == {
        "mock": [("127.0.0.1", 4080, "PUT /mockserver/status"), ("127.0.0.1", 4081, "")]
    }


def test_the_probe_tells_of_each_service_when_it_listens() -> None:
    with socket.socket() as first, socket.socket() as second:
        for one in (first, second):
            one.bind(("127.0.0.1", 0))
        ports = (first.getsockname()[1], second.getsockname()[1])
        first.listen()
        here: list[probe.End] = [("127.0.0.1", port, "") for port in ports]
        argv = probe.argv(sys.executable, {"one": here[:1], "both": here})
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline() == "one\n"
            second.listen()
            assert running.stdout.readline() == "both\n"
            assert running.wait() == 0


def test_a_probe_ends_with_who_started_it() -> None:
    argv = probe.argv(sys.executable, {"never": [("127.0.0.1", 1, "")]})
    starts = "import os, subprocess, sys; subprocess.Popen([*sys.argv[1:], str(os.getpid())])"
    with subprocess.Popen([sys.executable, "-c", starts, *argv[:-1]], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        assert parent.stdout.read() == b""  # it ends when the probe has ended too
    assert parent.returncode == 0


def server(answer: bytes) -> tuple[socket.socket, threading.Thread]:
    """A server that sends each of its clients some bytes, and closes."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):  # it was closed
            while True:
                client, _ = listener.accept()
                with client, contextlib.suppress(OSError):  # this one did not wait
                    client.settimeout(600)
                    if answer:
                        client.recv(1000)
                    client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


def wait_for(names: set[str], listening: probe.Listening) -> None:
    deadline = time.monotonic() + 600
    while listening() != names:
        assert time.monotonic() < deadline, listening()
        time.sleep(0.05)


def test_from_this_machine_a_port_that_is_published_for_nobody_is_not_taken_for_the_service(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 600.0)  # on a busy machine a connection is closed late
    services: dict[str, dict[str, Any]] = {
        "mock": {"image": "mockserver", "ports": [{"target": 80}]},
        "broken": {"image": "mockserver", "ports": [{"target": 80}]},
        "nobody": {"ports": [{"target": 80}]},
        "inner": {"ports": [{"target": 80}]},
    }
    answers = {"mock": b"HTTP/1.0 200 OK\r\n\r\n", "broken": b"HTTP/1.0 503 Busy\r\n\r\n", "nobody": b""}
    servers = {name: server(answer) for name, answer in answers.items()}
    reached = {name: {80: one.getsockname()[:2]} for name, (one, _) in servers.items()}
    with probe.LocalProbe(Stack("f", "runner", services, box.ALONE), lambda: reached) as listening:
        wait_for({"mock", "inner"}, listening)
    for listener, thread in servers.values():
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        listener.close()


def test_from_this_machine_a_service_that_is_started_anew_is_asked_at_its_new_port() -> None:
    services: dict[str, dict[str, Any]] = {name: {"ports": [{"target": 80}]} for name in ("stays", "looping")}
    with contextlib.ExitStack() as servers, socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # a port of its own, before one is free again
        old, new, stays = (servers.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3))
        reached = {name: {80: one.getsockname()[:2]} for name, one in (("stays", stays), ("looping", old))}
        with probe.LocalProbe(Stack("f", "runner", services, box.ALONE), lambda: reached) as listening:
            wait_for({"stays", "looping"}, listening)
            old.close()
            reached["looping"] = {80: nobody.getsockname()}
            assert listening() == {"stays"}
            reached["looping"] = {80: new.getsockname()}
            wait_for({"stays", "looping"}, listening)


class Starting:
    """A project, and the command that brings it up: one service never says that it is healthy, one never listens."""

    docker = SimpleNamespace(kind="docker")
    pulling = 0  #: looks at nothing but a pull

    def containers(self) -> dict[str, Any]:
        self.pulling -= 1
        if self.pulling >= 0:
            return {"healthy": health("healthy")}
        return {"healthy": health("healthy"), "starting": health("starting"), "silent": about("running")}

    def poll(self) -> None:
        return None


def test_the_time_that_compose_pulls_and_builds_does_not_count(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(readiness, "PAUSE", 0)
    starting = Starting()
    starting.pulling = 5
    stack = Stack("f", "runner", {"healthy": {}, "starting": {}}, box.ALONE)
    waiting = Waiting(cast("Compose", starting), stack, frozenset, tmp_path / "compose.log", limit=0)
    with pytest.raises(PlaceError, match="not ready after 0 s: starting"):
        waiting.follow(cast("Background", starting))
    assert starting.pulling < 0


def test_services_that_never_get_ready_are_given_up_and_named(tmp_path: Path) -> None:
    services: dict[str, Any] = {"healthy": {}, "starting": {"healthcheck": {"test": ["CMD", "false"]}}}
    services["silent"] = {"expose": ["8000"]}
    starting = Starting()
    stack = Stack("f", "runner", services, box.ALONE)
    waiting = Waiting(cast("Compose", starting), stack, frozenset, tmp_path / "compose.log", limit=0.2)
    with pytest.raises(PlaceError) as told:
        waiting.follow(cast("Background", starting))
    assert told.value.what == "not ready after 0.2 s: silent (nothing listens at 8000), starting"
    assert (told.value.cause, str(tmp_path) in told.value.todo, "ready_timeout" in told.value.todo) == (
        "service",
        True,
        True,
    )


class Ready(Starting):
    """A project that is up at the first look."""

    def containers(self) -> dict[str, Any]:
        return {"healthy": health("healthy")}

    def poll(self) -> int:  # type: ignore[override]
        return 0


def test_the_clock_runs_since_before_compose_was_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    clock = [100.0]
    monkeypatch.setattr(readiness, "time", SimpleNamespace(monotonic=lambda: clock[0], sleep=time.sleep))
    waiting = Waiting(
        cast("Compose", Ready()), Stack("f", "runner", {"healthy": {}}, box.ALONE), frozenset, tmp_path / "compose.log"
    )
    clock[0] += 5  # compose starts, and a busy machine lets us wait for longer than it
    assert waiting.follow(cast("Background", Ready())) == {"healthy": 5.0}


class Full:
    """A project, and the command that brings it up: its one service ended since there was no room for its data."""

    docker = SimpleNamespace(kind="docker", logs=lambda *_: [b"initdb: error: write: No space left on device\n"])

    def containers(self) -> dict[str, Any]:
        return {"db": {**about("exited", 1), "Id": "1"}}

    def poll(self) -> None:
        return None


def test_a_service_that_had_no_room_is_told_as_that(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    full = Full()
    waiting = Waiting(cast("Compose", full), Stack("f", "runner", {"db": {}}, box.ALONE), frozenset, tmp_path / "log")
    with pytest.raises(PlaceError, match=r"db ended with 1 before .* ready: a disk that it writes to is full") as told:
        waiting.follow(cast("Background", full))
    assert (told.value.cause, str(tmp_path / "db.log") in told.value.todo) == ("disk-full", True)
    assert "  db | initdb: error" in capsys.readouterr().out


class Unhealthy(Starting):
    """A project whose one service is up, and its healthcheck fails."""

    docker = SimpleNamespace(kind="docker", logs=lambda *_: [b"Ready\n"])

    def containers(self) -> dict[str, Any]:
        return {"cache": {**health("unhealthy", "hunter22: connection refused"), "Id": "1"}}


def test_of_a_service_that_is_unhealthy_it_is_told_what_its_healthcheck_said(tmp_path: Path) -> None:
    unhealthy = Unhealthy()
    stack = Stack("f", "runner", {"cache": {}}, box.ALONE, secrets=("hunter22",))
    waiting = Waiting(cast("Compose", unhealthy), stack, frozenset, tmp_path / "compose.log")
    told = "cache is unhealthy before the services were ready: its healthcheck said: ***: connection refused"
    with pytest.raises(PlaceError, match=re.escape(told)):
        waiting.follow(cast("Background", unhealthy))


def test_our_own_compose_file_asks_each_service_often_at_first_and_names_no_fixed_port() -> None:
    text = (Path(__file__).parents[3] / "docker-compose.test.yml").read_text(encoding="utf-8")
    assert "start_interval: 500ms" in text
    assert "container_name:" not in text
    assert [line for line in text.splitlines() if "ports:" in line and ":-}" not in line] == []
