"""The services of ``docker-compose.test.yml`` answer in their own protocols, by the names that the file gives them."""

from __future__ import annotations

import json
import os
import socket
import struct
import time
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pytest

pytestmark = pytest.mark.integration

SSL_REQUEST = struct.pack("!ii", 8, 80877103)  # PostgreSQL, "Message Formats"; the answer is one letter
SECONDS = 120.0  #: plain compose does not wait for the mock peers


def said(url: str, request: bytes) -> bytes:
    """What a server answers first."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), SECONDS) as connection:
        connection.sendall(request)
        return connection.recv(4096)


def asked(method: str, url: str) -> tuple[int, Any]:
    """Status and JSON of a request."""
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            with urllib.request.urlopen(urllib.request.Request(url, method=method), timeout=SECONDS) as answer:
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except urllib.error.HTTPError:
            raise
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@pytest.fixture
def peers() -> None:
    """The mock peers are of the profile ``integration``: without it their names lead nowhere."""
    try:
        socket.gethostbyname(urlsplit(os.environ["ADMIN_URL"]).hostname or "")
    except OSError:
        pytest.skip("the profile integration is not asked for")


def test_the_variables_are_the_runners() -> None:
    assert (os.environ["TESTING"], os.environ["LOG_FORMAT"]) == ("true", "text")


def test_the_database_speaks_postgresql() -> None:
    assert said(os.environ["DATABASE_URL"], SSL_REQUEST) in (b"N", b"S")


def test_the_cache_speaks_redis() -> None:
    assert said(os.environ["REDIS_URL"], b"PING\r\n") == b"+PONG\r\n"


@pytest.mark.usefixtures("peers")
@pytest.mark.parametrize(
    ("method", "peer", "path", "status", "key"),
    [
        ("POST", "ADMIN_URL", "/api/auth/token", 200, "access_token"),
        ("GET", "ADMIN_URL", "/api/storage-elements", 200, "items"),
        ("POST", "STORAGE_URL", "/api/v1/files/upload", 201, "file_id"),
        ("DELETE", "STORAGE_URL", "/api/v1/files/file-1", 204, None),
        ("GET", "STORAGE_URL", "/api/v1/health/live", 200, "status"),
    ],
)
def test_a_peer_answers_as_its_expectations_say(
    method: str, peer: str, path: str, status: int, key: str | None
) -> None:
    code, body = asked(method, os.environ[peer] + path)
    assert code == status
    assert body is None if key is None else key in body


@pytest.mark.usefixtures("peers")
def test_a_peer_knows_nothing_else() -> None:
    with pytest.raises(urllib.error.HTTPError, match="404"):
        asked("GET", os.environ["ADMIN_URL"] + "/api/other")
