"""What goes on beside tests that have services: mock peers watched, faults, in one process and in workers."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, cast
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from noxlib.inside import bad_network, mock_recording
from noxlib.inside.mock_peers import Peers
from noxlib.inside.mock_server import Gone, MockServer
from tests.sidecars import Told, loopback, running

from .mock_server_fake import FakeMockServer, Handler

KNOWN = {"id": "known", "httpRequest": {"method": "GET", "path": "/known"}, "httpResponse": {"statusCode": 200}}
NEVER = {"id": "never", "httpRequest": {"method": "POST", "path": "/never"}, "httpResponse": {"statusCode": 201}}
PROFILE = {
    "name": "ci",
    "timeout_multiplier": 1.0,
    "test_timeout": 600.0,
    "concurrent": 2,
    "network_simulation": True,
    "large_files": True,
    "backends": ["local"],
}
LOOPBACK = loopback()  #: where the proxy listens, at the very port of the echo
StartRun = Callable[..., Any]  # see conftest.py


@pytest.fixture
def peer() -> Iterator[FakeMockServer]:
    found = FakeMockServer([KNOWN, NEVER])
    yield found
    found.close()


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens, nor will: it is taken."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def echo() -> Iterator[tuple[str, int]]:
    """The address of a server that says what it hears."""

    def serve(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):  # the proxy may reset it
                connection.sendall(connection.recv(100))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=[listening], daemon=True)
        thread.start()
        yield listening.getsockname()[:2]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def sidecar(echo: tuple[str, int]) -> Iterator[Told]:
    """The echo's sidecar, and what tests are told of it."""
    with running(LOOPBACK, {str(echo[1]): echo}, jitter=0.001) as found:
        yield found


@pytest.fixture
def beside(start: StartRun, tmp_path: Path, peer: FakeMockServer, sidecar: Told) -> StartRun:
    """Run the project ``beside`` with a mock peer and an echo behind a proxy."""

    def run(*arguments: str, policy: str = "report", **task: Any) -> Any:
        (port,) = sidecar["ports"]
        stack: dict[str, Any] = {
            "policy": policy,
            "mocks": {"peer": {"at": ["127.0.0.1", peer.server_port], "files": ["peer.json"], "record": None}},
            "faults": {"echo": {**sidecar, **task.pop("told", {})}},
            "services": {"echo": []},
            "channel": None,
        }
        (tmp_path / "stack.json").write_text(json.dumps(stack))
        variables = {"PEER_URL": f"http://127.0.0.1:{peer.server_port}", "ECHO": f"{LOOPBACK}:{port}"}
        return start("beside", *arguments, environment=variables, profile=PROFILE, **task).finish()

    return run


def test_each_test_is_told_what_nobody_expected_of_it(beside: StartRun, peer: FakeMockServer) -> None:
    done = beside()
    assert done.code == 0, done.output
    result = done.result
    assert result["mocks"] == {
        "unmatched": [{"service": "peer", "request": "GET /nobody/knows", "test": "test_beside.py::test_unexpected"}],
        "never_called": [{"service": "peer", "expectation": "POST /never", "file": "peer.json"}],
        "lost": [],
    }
    assert "test_beside.py::test_unexpected: peer expects no GET /nobody/knows" in done.output
    assert "never called: POST /never of peer (peer.json)" in done.output
    assert peer.expectations == [KNOWN, NEVER]
    (fault,) = result["faults"]
    assert (fault["service"], fault["faults"]) == ("echo", "jitter")
    assert fault["sent"] == fault["received"] > 0


def test_what_a_test_asked_for_is_its_own_though_its_teardown_did_not_come_to_the_look(peer: FakeMockServer) -> None:
    server = MockServer("peer", "127.0.0.1", peer.server_port)
    peers = Peers({"peer": server}, {}, fail=False)
    peers.initial = {"peer": server.expectations()}
    one, two = (cast("pytest.Item", SimpleNamespace(nodeid=name)) for name in ("one", "two"))
    peers.pytest_runtest_setup(one)
    with pytest.raises(HTTPError), urlopen(f"http://127.0.0.1:{peer.server_port}/nobody"):
        pass
    peers.pytest_runtest_setup(two)
    peers.pytest_runtest_teardown()
    assert peers.unmatched == [{"service": "peer", "request": "GET /nobody", "test": "one"}]
    server.close()


def test_a_part_of_the_tests_is_not_told_what_the_whole_would_call(beside: StartRun) -> None:
    assert beside("-k", "expected").result["mocks"]["never_called"] == []


def test_nor_is_a_run_that_stopped_at_a_failure(beside: StartRun) -> None:
    done = beside("-x", policy="fail")
    assert done.counts == {"passed": 2, "errors": 1}, done.output
    assert done.result["mocks"]["never_called"] == []


@pytest.mark.parametrize(
    ("options", "ended", "part"),
    [
        ({}, {}, False),
        ({}, {"exitstatus": pytest.ExitCode.TESTS_FAILED}, False),
        ({"lf": True}, {}, True),
        ({"stepwise": True}, {}, True),
        ({"args": ["-q", "-m", "not slow"]}, {}, True),
        ({"args": ["-mslow"]}, {}, True),
        ({"deselect": ["test_a.py"]}, {}, True),
        ({}, {"exitstatus": pytest.ExitCode.INTERRUPTED}, True),
        ({}, {"exitstatus": 99}, True),
        ({}, {"shouldstop": "stopping after 1 failures"}, True),
    ],
)
def test_what_runs_a_part_of_the_tests(options: dict[str, Any], ended: dict[str, Any], part: bool) -> None:
    invoked = SimpleNamespace(args=options.pop("args", ["-q"]))
    config = SimpleNamespace(
        pluginmanager=SimpleNamespace(hasplugin=lambda _: False), getoption=options.get, invocation_params=invoked
    )
    whole: Any = {"config": config, "shouldfail": False, "shouldstop": False, "exitstatus": pytest.ExitCode.OK}
    session = cast("pytest.Session", SimpleNamespace(**{**whole, **ended}))
    peers = Peers({}, {}, fail=False)
    peers.pytest_sessionstart(session)
    peers.pytest_sessionfinish(session)
    assert peers.part == part


def test_what_nobody_expected_fails_its_test_where_that_is_asked_for(beside: StartRun) -> None:
    done = beside("-k", "expected", policy="fail")
    assert done.counts == {"passed": 2, "errors": 1, "deselected": 4}, done.output
    assert "no expectation met: peer: GET /nobody/knows" in done.output


def test_workers_share_the_peers_so_it_is_told_without_a_test(beside: StartRun) -> None:
    done = beside("-p", "xdist", "-n", "2", "-k", "expected or latency", policy="fail")
    assert (done.code, done.counts["passed"]) == (1, 4), done.output
    (found,) = done.result["mocks"]["unmatched"]
    assert found == {"service": "peer", "request": "GET /nobody/knows", "test": ""}
    assert "in one of the tests: peer expects no GET /nobody/knows" in done.output


def test_a_peer_that_is_gone_is_told_and_fails_no_test(beside: StartRun, peer: FakeMockServer, nobody: int) -> None:
    peer.server_port = nobody
    done = beside("-k", "latency", policy="fail")
    assert done.code == 0, done.output
    (lost,) = done.result["mocks"]["lost"]
    assert f"the mock peer peer does not answer at 127.0.0.1:{nobody}" in lost["why"]
    assert lost["why"] in done.output


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (404, b"not found", "the mock peer peer refuses it: not found"),
        (200, b"<html>", "the mock peer peer answers otherwise than a MockServer: '<html>'"),
        (200, b"{}x", "the mock peer peer answers what is no JSON: '{}x'"),
    ],
)
def test_a_peer_that_is_no_mock_server_is_told_and_ends_no_run(
    beside: StartRun, peer: FakeMockServer, monkeypatch: pytest.MonkeyPatch, status: int, text: bytes, why: str
) -> None:
    say = Handler.say
    monkeypatch.setattr(Handler, "say", lambda one, *_: say(one, status, text))
    done = beside("-k", "latency", policy="fail")
    assert (done.code, done.counts["passed"]) == (0, 2), done.output
    (lost,) = done.result["mocks"]["lost"]
    assert why in lost["why"]


@pytest.mark.parametrize("told", [{"token": "wrong"}, {"control": ["127.255.2.4", 9]}], ids=["refused", "absent"])
def test_proxies_that_do_not_answer_end_the_run_before_it_begins(beside: StartRun, told: Told) -> None:
    done = beside("-k", "latency", told=told)
    assert (done.code, done.result["cause"]) == (3, "services"), done.output
    assert "the services cannot be used" in done.output
    assert "Traceback" not in done.output


def answers(end: tuple[str, int]) -> bool:
    try:
        with socket.create_connection(end, 600) as connection:
            connection.sendall(b"word")
            return connection.recv(4) == b"word"
    except ConnectionError:
        return False


def test_faults_hold_from_the_beginning_of_a_session_to_its_end(sidecar: Told) -> None:
    end = (LOOPBACK, sidecar["ports"][0])
    assert answers(end)
    session = bad_network.Session({"echo": {**sidecar, "faults": ["down", {}]}})
    assert not answers(end)
    assert session.services["echo"].counts.connections == 0
    session.services["echo"].use("good")
    assert answers(end)
    (found,) = session.result()
    assert (found["connections"], found["sent"], found["received"]) == (1, 4, 4)
    session.services["echo"].use("down")
    session.close()
    until = time.monotonic() + 600
    while not answers(end):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_session_that_was_forgotten_takes_nothing_from_the_next_one(sidecar: Told) -> None:
    former, session = (bad_network.Session({"echo": {**sidecar, "faults": ["down", {}]}}) for _ in range(2))
    former.close()
    former.services["echo"].counts  # noqa: B018 - it is asked after the end was read
    assert not answers((LOOPBACK, sidecar["ports"][0]))
    session.close()


def test_nobody_commands_who_does_not_know_the_token(sidecar: Told) -> None:
    end = (LOOPBACK, sidecar["ports"][0])
    for first in (b'{"token": "wrong", "session": true}\n', b"[]\n", b'{"token": ["x"]}\n', b"GET / HTTP/1.0\r\n\r\n"):
        with socket.create_connection(sidecar["control"], 600) as connection:
            connection.sendall(first)
            assert connection.recv(100) == b""
    assert answers(end)


def test_fixtures_without_services_say_what_they_need(run: StartRun) -> None:
    done = run("beside", "-k", "adds", profile=PROFILE)
    assert "it needs nox -s compose_integration" in done.output
    assert done.counts["errors"] == 1


def test_a_mock_server_that_is_not_there_is_told_in_one_line(nobody: int) -> None:
    with pytest.raises(Gone, match="the mock peer it does not answer at 127"):
        MockServer("it", "127.0.0.1", nobody).requests()


def exchange(path: str, answer: dict[str, Any], **request: Any) -> dict[str, Any]:
    asked = {"method": "GET", "path": path, "headers": {"Authorization": ["Bearer secret"]}, **request}
    return {"id": "x", "httpRequest": asked, "httpResponse": answer, "times": {"remainingTimes": 1}}


def test_recordings_keep_what_was_said_and_no_secret_of_a_header() -> None:
    headers = {"Set-Cookie": ["secret"], "Date": ["today"], "Content-Type": ["application/json"]}
    body = {"type": "JSON", "json": {"a": 1}, "rawBytes": "eyJhIjogMX0="}
    answer = {"statusCode": 200, "headers": headers, "body": body}
    (found,) = mock_recording.expectations([exchange("/a", answer), exchange("/a", answer)])
    assert found == {
        "httpRequest": {"method": "GET", "path": "/a"},
        "httpResponse": {"statusCode": 200, "headers": {"Content-Type": ["application/json"]}, "body": {"a": 1}},
    }


def test_answers_that_changed_come_again_in_their_order() -> None:
    said = [{"statusCode": status} for status in (200, 200, 404, 200)]
    found = mock_recording.expectations([exchange("/a", answer) for answer in said])
    times = [(one["httpResponse"]["statusCode"], one.get("times", {}).get("remainingTimes")) for one in found]
    assert times == [(200, 2), (404, 1), (200, None)]
