"""What goes on beside tests with real services: mock peers, recordings, bad networks, services that are killed.

MockServer and toxiproxy are the oracles: what noxlib refuses of expectations MockServer refuses, and a service behind
noxlib's proxy is as slow as behind toxiproxy.
"""

from __future__ import annotations

import functools
import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.inside import bad_network
from noxlib.inside.mock_server import MockServer
from noxlib.places import mock_schema
from tests import sidecars

from .conftest import Nox, wait_until
from .test_compose import ASKED, left, write
from .test_compose_kept import asked as told_by
from .test_compose_kept import reached
from .test_network import Toxiproxy

if TYPE_CHECKING:
    from noxlib.records.record import Record

pytestmark = [pytest.mark.docker, pytest.mark.compose]

STEP = "compose_integration-3.10"
MOCKS = Path(__file__).parents[1] / "mocks"
MOCK_SERVER = "mockserver/mockserver:5.15.0"
ADDRESS = tuple[str, int]
CACHE = {**ASKED, "networks": {"default": {"aliases": ["also"]}}}
PATIENT = "--timeout-multiplier=10"  #: of the plugin: others are at work on the same machine
REAL = """
import http.server, json

class Handler(http.server.BaseHTTPRequestHandler):
    number = 0

    def do_POST(self):
        Handler.number += 1
        said = self.rfile.read(int(self.headers["Content-Length"])).decode()
        text = json.dumps({"number": Handler.number, "said": said, "host": self.headers["Host"]}).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Set-Cookie", "session=correct-horse-battery")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

http.server.ThreadingHTTPServer(("", 9000), Handler).serve_forever()
"""
APP = """
import http.server, socket

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if cached() else 503)
        self.send_header("Content-Length", "0")
        self.end_headers()

def cached():
    try:
        with socket.create_connection(("also", 6379), 60) as connection:
            connection.sendall(b"PING\\r\\n")
            return connection.recv(100) == b"+PONG\\r\\n"
    except OSError:
        return False

http.server.ThreadingHTTPServer(("", 9001), Handler).serve_forever()
"""
TESTS = """
import json, os, socket, time, urllib.error, urllib.request
import ingester, pytest, redis

pytestmark = pytest.mark.integration

def asked(peer, path, said=None, **headers):
    headers = {"Authorization": "Bearer correct-horse-battery", **headers}
    request = urllib.request.Request(os.environ[peer] + path, said and said.encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, None

def test_a_real_peer_is_asked_through_the_recorder():
    for number, said in ((1, "a"), (2, "a"), (3, "b")):
        assert asked("REAL_URL", "/made", said) == (201, {"number": number, "said": said, "host": "real:9000"})

def test_what_was_secret_is_met_by_another():
    password = str(time.time_ns())
    said = json.dumps({"user": "a", "password": password, "note": "it is " + os.environ["API_TOKEN"]})
    json_type = {"Content-Type": "application/json"}
    status, answer = asked("REAL_URL", "/in?api_key=" + password, said, **json_type)
    assert status == 201
    assert asked("REAL_URL", "/in/" + os.environ["API_TOKEN"], "user=a&password=" + password)[0] == 201
    if "***" in answer["said"]:  # by the recording, which takes no other request
        assert asked("REAL_URL", "/in?api_key=" + password, said.replace('"a"', '"b"'), **json_type)[0] == 404
        assert asked("REAL_URL", "/in/x", "user=b&password=" + password)[0] == 404

def test_nobody_expects():
    assert asked("PEER_URL", "/nobody/knows")[0] == 404
"""
SERVICES = """
def test_adds(mock_peer):
    peer = mock_peer("peer").expect("GET", "/api/storage-elements", status=203, json=[1], times=1)
    assert asked("PEER_URL", "/api/storage-elements") == (203, [1])
    assert asked("PEER_URL", "/api/storage-elements")[0] == 200
    peer.expect("GET", "/api/more", text="null")
    assert asked("PEER_URL", "/api/more")[0] == 200
    assert [request.path for request in peer.verify("/api/.*", times=3)][-1] == "/api/more"

def test_added_is_gone(mock_peer):
    assert asked("PEER_URL", "/api/storage-elements")[0] == 200
    assert len(mock_peer("peer").requests()) == 1

def test_slow(bad_network):
    with bad_network("cache").use(latency=0.5):
        begin = time.monotonic()
        ingester.cache().ping()
        assert time.monotonic() - begin > 0.5

def test_another_service_meets_it_too(bad_network):
    assert asked("APP_URL", "/")[0] == 200
    with bad_network("cache").use("down"):
        assert asked("APP_URL", "/")[0] == 503
    assert asked("APP_URL", "/")[0] == 200

def test_killed(services):
    services.kill("cache")
    with pytest.raises(redis.RedisError):
        ingester.cache().ping()

def test_is_back(services):
    ingester.cache().set("kept", "no")
    services.pause("cache")
    services.resume("cache")
    assert ingester.cache().get("kept") == b"no"
    services.restart("cache")
    assert ingester.cache().ping()
    with pytest.raises(LookupError, match="did you mean cache"):
        services.kill("cashe")

def test_the_peer_ends():
    urllib.request.urlopen(urllib.request.Request(os.environ["PEER_URL"] + "/mockserver/stop", method="PUT")).close()
    while True:
        try:
            asked("PEER_URL", "/mockserver/nothing")
        except OSError as error:  # while it ends it may break off an answer, and give the next one all the same
            if isinstance(getattr(error, "reason", None), (ConnectionRefusedError, socket.gaierror)):
                break
        time.sleep(0.05)
"""


def app(**more: Any) -> dict[str, Any]:
    """A service that needs the cache for each answer."""
    command = ["python", "-u", "/app.py"]
    return {
        "image": "python:3.10-slim",
        "command": command,
        "volumes": ["./app.py:/app.py:ro"],
        "expose": ["9001"],
        **more,
    }


def mock(file: str) -> dict[str, Any]:
    """A MockServer whose expectations are in a file of tests/mocks."""
    return {
        "image": MOCK_SERVER,
        "environment": {
            "MOCKSERVER_SERVER_PORT": "8000",
            "MOCKSERVER_INITIALIZATION_JSON_PATH": f"/config/{file}",
            "MOCKSERVER_LOG_LEVEL": "WARN",
        },
        "expose": ["8000"],
        "volumes": ["./tests/mocks:/config:ro"],
    }


@pytest.fixture
def project(adopt: Callable[..., Nox], own_state: Path) -> Nox:
    """A project with a cache, a mock peer, and one that records what a real peer says."""
    nox = adopt("services")
    assert nox.environment["NOXLIB_CACHE_DIR"] == str(own_state)
    shutil.copytree(MOCKS, nox.folder / "tests" / "mocks")
    (nox.folder / "tests" / "mocks" / "real.json").write_text("[]\n")
    (nox.folder / "tests" / "test_ingester.py").write_text(TESTS)
    (nox.folder / "real.py").write_text(REAL)
    (nox.folder / "app.py").write_text(APP)
    real = {"image": "python:3.10-slim", "command": ["python", "-u", "/real.py"], "volumes": ["./real.py:/real.py:ro"]}
    variables = {
        "REDIS_URL": "redis://cache:6379/0",
        "PEER_URL": "http://peer:8000",
        "REAL_URL": "http://recorder:8000",
        "APP_URL": "http://app:9001",
        "API_TOKEN": "correct-horse-battery",
    }
    write(
        nox,
        {
            "cache": CACHE,
            "app": app(),
            "peer": mock("admin-mock.json"),
            "recorder": mock("real.json"),
            "real": {**real, "expose": ["9000"]},
            "test-runner": {"image": "python:3.10-slim", "environment": variables},
        },
    )
    return nox


def test_peers_are_watched_and_recorded_services_slowed_and_killed(project: Nox) -> None:
    tests = project.folder / "tests" / "test_ingester.py"
    tests.write_text(TESTS + SERVICES)
    faults = ("--fault", "cache:latency=20ms")
    ended = project("-s", STEP, "--", *faults, "--record", "recorder=http://real:9000", PATIENT)
    assert ended.code == 0, ended.output
    record: Record = project.record
    assert record.counts.passed == 10
    assert record.mocks is not None
    unmatched = [(one.test, one.service, one.request) for one in record.mocks.unmatched]
    assert unmatched == [("tests/test_ingester.py::test_nobody_expects", "peer", "GET /nobody/knows")]
    assert record.mocks.lost[0].why.endswith("after tests/test_ingester.py::test_the_peer_ends")
    assert "peer expects no GET /nobody/knows" in ended.output
    (fault,) = record.faults
    assert (fault.service, fault.faults) == ("cache", "latency=20ms")
    assert fault.connections >= 4
    assert fault.sent > 0
    assert fault.received > 0
    assert left(project) == []

    mocks = project.folder / "tests" / "mocks"
    assert "recorded 5 expectations of recorder to real.recorded.json; real.json stays as it is" in ended.output
    text = (mocks / "real.recorded.json").read_text()
    assert "correct-horse-battery" not in text
    assert [one["httpRequest"]["path"] for one in json.loads(text)[-2:]] == ["/in", "/in/.*"]
    assert "password" in text
    (mocks / "real.recorded.json").replace(mocks / "real.json")
    tests.write_text(TESTS)
    again = project("-s", STEP, "--", PATIENT, NOXLIB_COMPOSE_INTEGRATION_MOCKS="fail")
    counts = project.record.counts
    assert (counts.passed, counts.errors) == (3, 2), again.output
    assert "no expectation met: peer: GET /nobody/knows" in again.output
    assert "never called: POST /api/auth/token of peer (admin-mock.json)" in again.output


ON_THIS_MACHINE = """
import os, time, urllib.error, urllib.request
import ingester, pytest, redis

pytestmark = pytest.mark.integration

def asked():
    try:
        return urllib.request.urlopen(os.environ["APP_URL"], timeout=60).status
    except urllib.error.HTTPError as error:
        return error.code

def test_nobody_reaches_it(bad_network):
    assert asked() == 503
    with pytest.raises(redis.RedisError):
        ingester.cache().ping()
    bad_network("cache").use("good")
    assert asked() == 200
    assert ingester.cache().ping()

def test_slow_and_paused(bad_network, services):
    assert not os.environ["REDIS_URL"].startswith("redis://cache")
    assert asked() == 503
    with bad_network("cache").use(latency=0.5):
        begin = time.monotonic()
        ingester.cache().ping()
        assert time.monotonic() - begin > 0.5
    services.pause("cache")
    services.resume("cache")
    bad_network("cache").use("good")
    assert ingester.cache().ping()
    with pytest.raises(OSError, match="another port of this machine"):
        services.kill("cache")
"""


def test_faults_and_pauses_reach_tests_on_this_machine_too_and_end_with_them(project: Nox) -> None:
    (project.folder / "tests" / "test_ingester.py").write_text(ON_THIS_MACHINE)
    variables = {**dict.fromkeys(("REDIS_URL", "CACHE_URL"), "redis://cache:6379/0"), "APP_URL": "http://app:9001"}
    answers = ["CMD", "python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:9001')"]
    healthy = app(healthcheck={"test": answers, "start_period": "60s", "start_interval": "200ms"})
    write(
        project,
        {"cache": CACHE, "app": healthy, "test-runner": {"image": "python:3.10-slim", "environment": variables}},
    )
    for more in (["--keep"], []):
        ended = project("-s", STEP, "--", "--place", "venv", "--fault", "cache:down", *more, PATIENT)
        assert ended.code == 0, ended.output
        assert "made anew" not in ended.output
        assert [(one.service, one.faults) for one in project.record.faults] == [("cache", "down")]
        assert {service.name for service in project.record.services} == {"cache", "app"}
        assert told_by(reached(project), b"PING") == b"+PONG\r\n"
    assert project("-s", STEP, "--", "--down").code == 0
    assert left(project) == []


def refused(nox: Nox, *words: str) -> str:
    """What a step says that starts nothing."""
    ended = nox("-s", STEP, "--", "--dry-run", *words)
    assert ended.code != 0
    assert "Traceback" not in ended.output
    return ended.output


def test_what_makes_no_sense_is_told_before_anything_starts(project: Nox) -> None:
    assert "there is no service 'cashe'; did you mean cache?" in refused(project, "--fault", "cashe:down")
    file = project.folder / "tests" / "mocks" / "admin-mock.json"
    file.write_text(file.read_text().replace('"statusCode": 200,', '"statusCod": 200,', 1))
    told = "admin-mock.json:6: [0].httpResponse.statusCod: there is no 'statusCod'; did you mean statusCode?"
    assert f"MockServer would refuse {told}" in refused(project)
    linted = project("-s", "compose_lint")
    assert f"MockServer would refuse {told}" in linted.output


def started(image: str, port: int, **body: Any) -> Iterator[ADDRESS]:
    """A container, and where its port is reached."""
    docker = Docker.connect()
    name = f"noxlib-test-{image.partition(':')[0].rpartition('/')[2]}-{time.monotonic_ns()}"
    bound = {"PortBindings": {f"{port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": ""}]}}
    try:
        container = docker.create(
            name, {"Image": image, "ExposedPorts": {f"{port}/tcp": {}}, "HostConfig": bound, **body}
        )
        docker.start(container)
        about = docker.inspect(container)
        assert about is not None
        yield "127.0.0.1", int(about["NetworkSettings"]["Ports"][f"{port}/tcp"][0]["HostPort"])
    finally:
        docker.remove(name)
        docker.close()


@pytest.fixture(scope="module")
def mock_server() -> Iterator[MockServer]:
    for host, port in started(MOCK_SERVER, 1080, Env=["MOCKSERVER_LOG_LEVEL=WARN"]):
        found = MockServer("it", host, port)
        wait_until(functools.partial(answers, found), "MockServer")
        yield found
        found.close()


def answers(server: MockServer) -> bool:
    try:
        server.put("status")
    except OSError:
        return False
    return True


ANSWER = {"statusCode": 200}
REQUEST = {"method": "GET", "path": "/a"}


@pytest.mark.parametrize(
    "document",
    [
        {"httpRequest": REQUEST, "httpResponse": ANSWER},
        {"httpRequest": {"path": {"not": True, "value": "/a"}}, "httpError": {"dropConnection": True}},
        {"httpRequest": REQUEST, "httpForward": {"host": "a", "port": 1, "scheme": "HTTPS"}, "priority": 3},
        {"httpRequest": REQUEST, "httpResponse": ANSWER, "times": {"remainingTimes": 2, "unlimited": False}},
        {"httpRequest": REQUEST, "httpResponse": {"body": {"any": ["thing"]}, "headers": {"A": ["b"], "C": "d"}}},
        {"httpRequest": {"body": {"type": "JSON", "json": {"a": 1}}}, "httpResponse": {"body": "text"}},
        {"httpRequest": {"metod": "GET"}, "httpResponse": ANSWER},
        {"httpRequest": REQUEST, "httpResponse": {"status": 200}},
        {"httpRequest": REQUEST, "httpResponse": {"statusCode": "200"}},
        {"httpRequest": REQUEST, "httpResponse": ANSWER, "times": {"remainingTimes": "2"}},
        {"httpRequest": REQUEST, "httpResponse": ANSWER, "timeToLive": {"timeUnit": "WEEKS"}},
        {"httpRequest": REQUEST, "httpForward": {"host": "a"}, "httpResponse": ANSWER},
        {"httpRequest": REQUEST},
        {"httpRequest": {"path": 5}, "httpResponse": ANSWER},
        {"httpRequest": REQUEST, "httpRespons": ANSWER},
    ],
    ids=lambda document: json.dumps(document)[:60],
)
def test_mock_server_refuses_what_is_refused(mock_server: MockServer, document: dict[str, Any]) -> None:
    try:
        mock_server.add([document])
        its_words = ""
    except ValueError as error:
        its_words = str(error)
    mock_server.reset()
    assert bool(list(mock_schema.problems([document]))) == bool(its_words), its_words


@pytest.mark.toxiproxy
def test_a_service_is_as_slow_as_behind_toxiproxy(tmp_path: Path) -> None:
    def seconds(address: ADDRESS) -> float:
        """Of a PING to Redis."""
        begin = time.monotonic()
        with socket.create_connection(address, 60) as connection:
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
        return time.monotonic() - begin

    def pongs(address: ADDRESS) -> bool:
        try:
            return told_by(address, b"PING") == b"+PONG\r\n"
        except OSError:  # the engine takes a connection before redis listens
            return False

    for redis in started("redis:7", 6379):
        wait_until(functools.partial(pongs, redis), "redis")
        ours = (f"127.3.{secrets.randbelow(250)}.{1 + secrets.randbelow(250)}", 6379)
        toxiproxy = Toxiproxy(tmp_path, redis)
        try:
            toxiproxy.add("latency", latency=300)
            with sidecars.running(ours[0], {str(ours[1]): redis}, latency=0.3) as told:
                session = bad_network.Session({"redis": told})
                taken = [min(seconds(address) for _ in range(3)) for address in (toxiproxy.address, ours)]
                session.close()
            assert min(taken) >= 0.295
        finally:
            toxiproxy.process.kill()
            toxiproxy.process.wait()
