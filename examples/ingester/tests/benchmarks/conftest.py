"""The service over its real database and cache; its peers answer at once, so that their time is not in the figures."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.testclient import TestClient

from ingester.main import create_app
from ingester.settings import Settings
from tests.integration.conftest import settings  # noqa: F401 - a fixture
from tests.unit.conftest import Peers

MEGABYTE = b"x" * 1_000_000


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:  # noqa: F811 - the fixture
    peers = Peers()
    peers.answers["GET", "/api/v1/files/file-1"] = lambda _: httpx.Response(200, content=MEGABYTE)
    with TestClient(create_app(settings, httpx.MockTransport(peers))) as client:
        yield client
