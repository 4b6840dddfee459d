"""noxlib's fixtures where there is no noxlib: ``docker compose up test-runner`` loads this by ``-p tests.plain``.

There is one database for all tests then, and nobody to ask what a mock peer got, or to kill a service.
"""

from __future__ import annotations

import os
import socket
import time
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

SECONDS = 60.0  #: for the mock peers to listen: plain compose does not wait for them


class Database(NamedTuple):
    url: str


@pytest.fixture
def postgres_database() -> Database:
    return Database(os.environ["DATABASE_URL"])


@pytest.fixture
def redis_database() -> Database:
    return Database(os.environ["REDIS_URL"])


@pytest.fixture
def mock_peer() -> None:
    pytest.skip("needs nox -s compose_integration")


@pytest.fixture
def services() -> None:
    pytest.skip("needs nox -s compose_integration")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Without the profile ``integration`` there are no mock peers."""
    reason = None if all(map(listens, ("ADMIN_URL", "STORAGE_URL"))) else "the profile integration is not asked for"
    for item in items:
        if reason and "integration" in item.path.parts:
            item.add_marker(pytest.mark.skip(reason))


def listens(variable: str) -> bool:
    """Whether a peer listens; it is waited for where its name is known."""
    url, end = urlsplit(os.environ[variable]), time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection((url.hostname, url.port), 5).close()
        except socket.gaierror:
            return False
        except OSError:
            time.sleep(0.2)
        else:
            return True
    return False
