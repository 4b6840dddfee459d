"""A stack that is up is used again: what can be emptied is, all else goes with its volumes."""

from __future__ import annotations

import json
import socket
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from noxlib.places import box, emptying
from noxlib.places.stack import Stack
from tests.answering import Answer, Request, answering

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.compose import Compose

SERVICES: dict[str, dict[str, Any]] = {
    "mock": {"image": "mockserver/mockserver:5.15.0"},
    "db": {"image": "postgres:15", "volumes": [{"type": "volume", "source": "data", "target": "/data"}]},
    "cache": {"image": "redis:7", "volumes": [{"type": "volume", "source": "shared", "target": "/data"}]},
    "app": {"image": "app", "volumes": [{"type": "volume", "source": "shared", "target": "/x"}, {"type": "tmpfs"}]},
}
VOLUMES: dict[str, dict[str, Any]] = {
    "data": {"name": "p_data"},
    "shared": {"name": "p_shared"},
    "theirs": {"external": True},
}


class Peer:
    """As much of MockServer as is asked: what was put, and with what it answers."""

    def __init__(self) -> None:
        self.put: list[tuple[str, Any]] = []
        self.status = 200
        self.end = ("", 0)

    def answer_to(self, request: Request) -> Answer:
        assert request.method == "PUT"
        self.put.append((request.path, json.loads(request.body) if request.body else None))
        return Answer(self.status)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(emptying, "SECONDS", 600.0)  # one that answers late would be made anew
    peer = Peer()
    with answering(peer.answer_to) as server:
        peer.end = ("127.0.0.1", server.server_port)
        yield peer


class Engine:
    """What is removed, and where it would be."""

    def __init__(self, services: dict[str, Any], paused: str) -> None:
        self.docker = self
        self.removed: list[str] = []
        self.paused = paused
        self._services = services

    def containers(self) -> dict[str, dict[str, Any]]:
        return {name: {"Id": name, "State": {"Paused": name == self.paused}} for name in self._services}

    def remove(self, name: str) -> None:
        self.removed.append(name)

    remove_volume = remove


def renewed(services: dict[str, Any], reached: Any, *resettable: str, paused: str = "") -> list[str]:
    engine = Engine(services, paused)
    stack = Stack("f", "runner", services, box.ALONE, volumes=VOLUMES)
    emptying.renew(cast("Compose", engine), stack, reached, resettable)
    return sorted(engine.removed)


def test_a_mock_server_forgets_all_and_reads_its_files_again(tmp_path: Path, peer: Peer) -> None:
    file = tmp_path / "admin.json"
    file.write_text('[{"httpRequest": {"path": "/a"}}]')
    volume = {"type": "bind", "source": str(file), "target": "/config/admin.json"}
    environment = {"MOCKSERVER_INITIALIZATION_JSON_PATH": "/config/admin.json"}
    services = {"mock": {**SERVICES["mock"], "volumes": [volume], "environment": environment}}
    assert renewed(services, {"mock": {1080: peer.end}}) == ["p_data", "p_shared"]
    assert peer.put == [
        ("/mockserver/reset", None),
        ("/mockserver/expectation", [{"httpRequest": {"path": "/a"}}]),
    ]


def test_what_cannot_be_emptied_goes_with_the_volumes_that_nobody_else_uses(peer: Peer) -> None:
    reached = {"mock": {1080: peer.end}}
    assert renewed(SERVICES, reached) == ["app", "cache", "db", "p_data", "p_shared"]
    assert renewed(SERVICES, reached, "db", "cache") == ["app"]


def test_a_mock_server_that_refuses_or_is_not_reached_or_has_files_elsewhere_is_made_anew(peer: Peer) -> None:
    mock = {"mock": SERVICES["mock"]}
    peer.status = 400
    assert "mock" in renewed(mock, {"mock": {1080: peer.end}})
    peer.status = 200
    assert "mock" in renewed(mock, {})
    built_in = {"mock": {**SERVICES["mock"], "environment": {"MOCKSERVER_INITIALIZATION_JSON_PATH": "/in/image.json"}}}
    assert "mock" in renewed(built_in, {"mock": {1080: peer.end}})


def test_a_service_that_a_test_left_paused_is_made_anew_and_keeps_its_data(peer: Peer) -> None:
    reached = {"mock": {1080: peer.end}}
    assert renewed(SERVICES, reached, "db", "cache", paused="db") == ["app", "db"]


def test_what_answers_and_speaks_no_http_is_made_anew() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            with client:
                client.recv(1000)
                client.sendall(b"-ERR unknown command\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert "mock" in renewed({"mock": SERVICES["mock"]}, {"mock": {1080: listener.getsockname()[:2]}})
        thread.join()
