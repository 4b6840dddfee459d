"""Whom the service lets in, and how it shows its peers who it is."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis

from tests.conftest import Make

FILE = {"file": ("a.txt", b"x")}


def test_the_service_fetches_a_token_once_and_keeps_it(
    api: TestClient, authorization: dict[str, str], mock_peer: Any, redis_database: Any
) -> None:
    for _ in range(3):
        assert api.post("/api/v1/files", headers=authorization, files=FILE).status_code == 201
    (asked,) = mock_peer("mock-admin").verify("/api/auth/token", times=1)
    assert asked.body["client_id"] == "ingester"
    mock_peer("mock-admin").verify("/api/storage-elements", times=1)
    with Redis.from_url(redis_database.url) as redis:
        assert redis.get("token") == b"test-access-token"
        assert 3000 < redis.ttl("token") <= 3570


def test_a_token_that_a_peer_refuses_is_replaced(
    api: TestClient, authorization: dict[str, str], mock_peer: Any, redis_database: Any
) -> None:
    with Redis.from_url(redis_database.url) as redis:
        redis.set("token", "an old one")
    mock_peer("mock-admin").expect("GET", "/api/storage-elements", status=401, times=1)
    assert api.post("/api/v1/files", headers=authorization, files=FILE).status_code == 201
    mock_peer("mock-admin").verify("/api/auth/token", times=1)
    (upload,) = mock_peer("mock-storage").verify("/api/v1/files/upload", times=1)
    assert upload.headers["Authorization"] == ["Bearer test-access-token"]


@pytest.mark.parametrize(("claims", "status"), [({"aud": "others"}, 401), ({"exp": 1}, 401), ({"scope": ""}, 403)])
def test_whom_it_does_not_let_in_it_asks_nobody_for(
    api: TestClient, make_token: Make, mock_peer: Any, claims: dict[str, Any], status: int
) -> None:
    headers = {"Authorization": f"Bearer {make_token(**claims)}"}
    assert api.post("/api/v1/files", headers=headers, files=FILE).status_code == status
    assert mock_peer("mock-admin").requests() == mock_peer("mock-storage").requests() == []
