"""How fast files go in and out: ``nox -s compose_integration-3.11 -- tests/benchmarks``."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.benchmarks.conftest import MEGABYTE

pytestmark = pytest.mark.integration
FILES = {"file": ("large.bin", MEGABYTE)}
AT_ONCE = 16


def test_upload_of_a_megabyte(benchmark: Any, api: TestClient, authorization: dict[str, str]) -> None:
    answer = benchmark(api.post, "/api/v1/files", headers=authorization, files=FILES)
    assert answer.status_code == 201


def test_download_of_a_megabyte(benchmark: Any, api: TestClient, authorization: dict[str, str]) -> None:
    file = api.post("/api/v1/files", headers=authorization, files=FILES).json()
    answer = benchmark(api.get, f"/api/v1/files/{file['id']}/content", headers=authorization)
    assert len(answer.content) == len(MEGABYTE)


def test_requests_at_once(benchmark: Any, api: TestClient, authorization: dict[str, str]) -> None:
    """One sample is as many requests as go on at once."""
    file = api.post("/api/v1/files", headers=authorization, files={"file": ("small.txt", b"x")}).json()

    def ask(_: int) -> int:
        return api.get(f"/api/v1/files/{file['id']}", headers=authorization).status_code

    with ThreadPoolExecutor(AT_ONCE) as pool:
        assert benchmark(lambda: list(pool.map(ask, range(AT_ONCE)))) == [200] * AT_ONCE
