"""The whole service with what it needs for real: PostgreSQL, redis, and mock peers over HTTP."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingester.main import create_app
from ingester.settings import Settings

PATIENCE = 120  #: seconds for peers and cache: the machine may be busy


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test of this folder needs the services."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("integration")


@pytest.fixture
def settings(postgres_database: Any, redis_database: Any, public_key: str) -> Settings:
    """A database and a cache of this test's own: fixtures of noxlib."""
    return Settings(
        database_url=postgres_database.url,
        redis_url=redis_database.url,
        admin_url=os.environ["ADMIN_URL"],
        jwt_public_key=public_key,
        peer_timeout=PATIENCE,
        cache_timeout=PATIENCE,
        storage_elements_seconds=3600,
        log_format="text",
    )


@pytest.fixture
def api(settings: Settings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as client:
        yield client
