"""Which engine, what its stream means, and what it refuses: all that needs no engine."""

from __future__ import annotations

import hashlib
import json
import socketserver
import struct
import tempfile
import time
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import connection
from noxlib.engines import endpoint as endpoints
from noxlib.engines.attached import Frames
from noxlib.engines.docker import Docker
from noxlib.engines.endpoint import Endpoint, resolve_endpoint
from noxlib.engines.refusals import speaking
from noxlib.errors import EngineError
from tests.answering import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def add_context(home: Path, name: str, host: str, *, tls: bool = False) -> Path:
    key = hashlib.sha256(name.encode()).hexdigest()
    folder = home / ".docker" / "contexts"
    meta = folder / "meta" / key / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": False}}}))
    material = folder / "tls" / key / "docker"
    if tls:
        material.mkdir(parents=True)
    return material


@pytest.fixture
def home(tmp_path: Path) -> Path:
    add_context(tmp_path, "work", "unix:///run/work.sock")
    add_context(tmp_path, "far", "tcp://far:2376", tls=True)
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": "work"}))
    return tmp_path


def test_the_active_context_is_followed(home: Path) -> None:
    assert resolve_endpoint({}, home) == Endpoint("unix:///run/work.sock", "context work")


def test_a_named_context_outranks_the_active_one(home: Path) -> None:
    found = resolve_endpoint({"DOCKER_CONTEXT": "far"}, home)
    assert (found.url, found.origin) == ("tcp://far:2376", "context far")
    assert found.tls is not None


def test_docker_host_outranks_every_context(home: Path) -> None:
    found = resolve_endpoint({"DOCKER_HOST": "tcp://near:2375", "DOCKER_CONTEXT": "far"}, home)
    assert found == Endpoint("tcp://near:2375", "DOCKER_HOST")


def test_docker_host_takes_its_certificates_from_its_own_folder(home: Path) -> None:
    found = resolve_endpoint({"DOCKER_HOST": "tcp://x:2376", "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/c"}, home)
    assert (found.tls, found.verify) == ("/c", True)


def test_the_context_default_is_the_default_socket(home: Path) -> None:
    assert resolve_endpoint({"DOCKER_CONTEXT": "default"}, home).origin == "default"


def test_a_context_that_does_not_exist_is_told_with_where_it_was_named(home: Path) -> None:
    with pytest.raises(EngineError, match=r"'gone' \(from DOCKER_CONTEXT\) does not exist"):
        resolve_endpoint({"DOCKER_CONTEXT": "gone"}, home)


def test_another_configuration_folder_is_obeyed(home: Path, tmp_path: Path) -> None:
    assert resolve_endpoint({"DOCKER_CONFIG": str(tmp_path / "other")}, home).origin == "default"


def test_a_damaged_configuration_is_told_in_two_lines(home: Path) -> None:
    (home / ".docker" / "config.json").write_text("{")
    with pytest.raises(EngineError, match=r"cannot read .*config\.json"):
        resolve_endpoint({}, home)


def test_podman_is_found_where_docker_has_no_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    monkeypatch.setattr(endpoints, "DEFAULT_SOCKET", str(tmp_path / "docker.sock"))
    monkeypatch.setattr(endpoints, "PODMAN_SOCKET", str(tmp_path / "root.sock"))
    assert resolve_endpoint({}, tmp_path).url == f"unix://{tmp_path}/docker.sock"
    (tmp_path / "podman").mkdir()
    monkeypatch.chdir(tmp_path)  # a socket's path may have 107 bytes
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("podman/podman.sock")
        found = resolve_endpoint({"XDG_RUNTIME_DIR": str(tmp_path)}, tmp_path)
    assert found.url == f"unix://{tmp_path}/podman/podman.sock"


def test_the_docker_command_gets_the_same_endpoint() -> None:
    assert Endpoint("tcp://x:2376", "context x", "/tls").environment() == {
        "DOCKER_HOST": "tcp://x:2376",
        "DOCKER_CERT_PATH": "/tls",
        "DOCKER_TLS_VERIFY": "1",
    }
    assert Endpoint("unix:///s", "default").environment() == {"DOCKER_HOST": "unix:///s"}


@pytest.mark.parametrize("url", ["unix:///nowhere/docker.sock", "tcp://127.0.0.1:9", "nonsense://x"])
def test_where_no_engine_answers_two_lines_say_so_at_once(url: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no container engine answers at .* \(from DOCKER_HOST\)") as caught:
        Docker.connect({"DOCKER_HOST": url}, tmp_path)
    assert len(str(caught.value).splitlines()) == 2


def test_an_engine_that_accepts_and_says_nothing_is_given_up_after_two_seconds(tmp_path: Path) -> None:
    import socket

    refused = pytest.raises(EngineError, match="no container engine answers")
    with socket.create_server(("127.0.0.1", 0)) as silent, refused:
        Docker.connect({"DOCKER_HOST": f"tcp://127.0.0.1:{silent.getsockname()[1]}"}, tmp_path)


class Slow(BaseHTTPRequestHandler):
    """An engine of this machine that is long about its first word."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        time.sleep(1.2)
        said = json.dumps({"ApiVersion": "1.41", "Version": "24.0.0"}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def slow() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as folder:  # a socket's path is short
        path = f"{folder}/socket"
        with serving(socketserver.ThreadingUnixStreamServer(path, Slow)):
            yield f"unix://{path}"


def test_an_engine_of_this_machine_that_listens_may_take_its_time_to_answer(
    slow: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 1.0)
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 600.0)  # for a machine that is busy
    Docker.connect({"DOCKER_HOST": slow}, tmp_path).close()


@given(st.lists(st.tuples(st.sampled_from([1, 2]), st.binary(max_size=50)), max_size=20), st.integers(1, 17))
def test_frames_give_their_payload_however_the_stream_is_cut(frames: list[tuple[int, bytes]], size: int) -> None:
    raw = b"".join(struct.pack(">BxxxL", stream, len(data)) + data for stream, data in frames)
    reader = Frames()
    parts = [reader.payload(raw[start : start + size]) for start in range(0, len(raw), size)]
    assert b"".join(parts) == b"".join(data for _, data in frames)


def api_error(status: int, text: str) -> Exception:
    import docker.errors
    import requests

    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError("refused", response=response, explanation=text)


@pytest.mark.parametrize(
    ("status", "text", "what", "todo"),
    [
        (500, "write /var/lib/x: no space left on device", "disk is full", "free space"),
        (404, "No such image: x:1", "No such image: x:1", "testground_build"),
        (400, "invalid reference format", "x: invalid reference format", "a variable that is not set"),
        (409, "Conflict. The name is in use\nmore", "Conflict. The name is in use", "docker info"),
    ],
)
def test_what_the_engine_refuses_is_told_in_two_lines(status: int, text: str, what: str, todo: str) -> None:
    with pytest.raises(EngineError) as caught, speaking("unix:///s", "creating the container x"):
        raise api_error(status, text)
    assert what in caught.value.what
    assert todo in caught.value.todo
    assert len(str(caught.value).splitlines()) == 2
    assert caught.value.cause == ("disk-full" if "space" in text else None)


def test_an_engine_that_went_away_is_lost() -> None:
    import requests

    with (
        pytest.raises(EngineError, match="unix:///s stopped answering while waiting") as caught,
        speaking("unix:///s", "waiting"),
    ):
        raise requests.exceptions.ConnectionError("Connection refused")
    assert caught.value.cause == "lost"


@pytest.mark.parametrize("status", [404, 409])
def test_a_container_that_somebody_else_removes_is_gone_afterwards(status: int) -> None:
    asked = []

    class Api:
        def remove_container(self, *_: object, **__: object) -> None:
            raise api_error(status, "removal of container x is already in progress")

        def wait(self, container: str, **options: object) -> None:
            asked.append((container, options["condition"]))

    docker = object.__new__(Docker)
    docker.endpoint = Endpoint("unix:///s", "default")
    docker._api = Api()
    assert not docker.remove("x")
    assert asked == [("x", "removed")]


@pytest.mark.parametrize("config", ['{"auths": 5}', '{"proxies": 5}', '{"HttpHeaders": 5}'])
def test_a_configuration_of_docker_that_is_none_is_two_lines(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "config.json").write_text(config)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    with pytest.raises(EngineError, match=r"docker's config\.json.* makes no sense") as caught:
        Docker(Endpoint("tcp://127.0.0.1:9", "test"))
    assert len(str(caught.value).splitlines()) == 2
