"""A peer that is down, or slow: noxlib's fixture ``services`` kills and pauses the real ones."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from ingester.main import create_app
from ingester.settings import Settings
from tests.conftest import Make

FILE = {"file": ("a.txt", b"x")}


@pytest.mark.parametrize("peer", ["mock-admin", "mock-storage"])
def test_a_peer_that_is_down_is_told_and_nothing_is_indexed(
    api: TestClient, authorization: dict[str, str], services: Any, peer: str
) -> None:
    services.kill(peer)
    answer = api.post("/api/v1/files", headers=authorization, files=FILE)
    assert (answer.status_code, answer.json()["detail"].startswith(f"{peer} cannot be reached")) == (502, True)
    assert api.get("/api/v1/files", headers=authorization).json() == []


def test_a_peer_that_is_slow_is_told_and_nothing_is_indexed(
    api: TestClient, settings: Settings, make_token: Make, services: Any
) -> None:
    headers = {"Authorization": f"Bearer {make_token(sub='carol')}"}
    first = api.post("/api/v1/files", headers=headers, files=FILE).json()  # what the admin module says is kept now
    services.pause("mock-storage")
    with TestClient(create_app(settings.model_copy(update={"peer_timeout": 0.5}))) as impatient:
        answer = impatient.post("/api/v1/files", headers=headers, files=FILE)
    assert (answer.status_code, answer.json()) == (504, {"detail": "mock-storage did not answer in time"})
    services.resume("mock-storage")
    assert api.get("/api/v1/files", headers=headers).json() == [first]
    assert api.post("/api/v1/files", headers=headers, files=FILE).status_code == 201


def test_without_its_cache_it_goes_on(api: TestClient, authorization: dict[str, str], services: Any) -> None:
    services.kill("redis-test")
    assert api.post("/api/v1/files", headers=authorization, files=FILE).status_code == 201
    ready = api.get("/api/v1/health/ready")
    assert (ready.status_code, ready.json()["parts"]) == (200, {"database": True, "cache": False, "storage": True})
