"""The endpoints, and what they tell of what went wrong."""

from __future__ import annotations

import uuid

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.orm import sessionmaker

from ingester.cache import Cache, connect
from ingester.main import create_app
from ingester.settings import Settings
from tests.unit.conftest import Peers

FILE = {"file": ("letters.txt", b"content", "text/plain")}


def test_a_file_goes_in_and_comes_out_again(api: TestClient, authorization: dict[str, str]) -> None:
    made = api.post("/api/v1/files", headers=authorization, files=FILE)
    assert made.status_code == 201
    file = made.json()
    assert (file["name"], file["size"]) == ("letters.txt", 7)
    assert api.get(f"/api/v1/files/{file['id']}", headers=authorization).json() == file
    assert api.get("/api/v1/files", headers=authorization).json() == [file]
    content = api.get(f"/api/v1/files/{file['id']}/content", headers=authorization)
    assert (content.content, content.headers["Content-Type"]) == (b"content", "text/plain; charset=utf-8")
    assert api.delete(f"/api/v1/files/{file['id']}", headers=authorization).status_code == 204
    assert api.get(f"/api/v1/files/{file['id']}", headers=authorization).status_code == 404


@pytest.mark.parametrize("path", [f"/api/v1/files/{uuid.uuid4()}", f"/api/v1/files/{uuid.uuid4()}/content"])
def test_what_is_not_there_is_not_found(api: TestClient, authorization: dict[str, str], path: str) -> None:
    assert api.get(path, headers=authorization).status_code == 404


def test_what_is_too_large_is_told(api: TestClient, authorization: dict[str, str]) -> None:
    answer = api.post("/api/v1/files", headers=authorization, files={"file": ("a", b"x" * 1001)})
    assert (answer.status_code, answer.json()) == (413, {"detail": "a file has at most 1000 B"})


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (httpx.ConnectError, 502, "storage.test cannot be reached: ConnectError"),
        (httpx.ReadTimeout, 504, "storage.test did not answer in time"),
    ],
)
def test_a_peer_that_fails_is_told_as_a_gateway_does(
    api: TestClient,
    authorization: dict[str, str],
    peers: Peers,
    error: type[httpx.HTTPError],
    status: int,
    detail: str,
) -> None:
    peers.fails("POST", "/api/v1/files/upload", error)
    answer = api.post("/api/v1/files", headers=authorization, files=FILE)
    assert (answer.status_code, answer.json()) == (status, {"detail": detail})


def test_a_content_that_is_lost_is_told_before_its_first_byte(
    api: TestClient, authorization: dict[str, str], peers: Peers
) -> None:
    file = api.post("/api/v1/files", headers=authorization, files=FILE).json()
    peers.answers["GET", "/api/v1/files/file-1"] = lambda _: httpx.Response(404)
    answer = api.get(f"/api/v1/files/{file['id']}/content", headers=authorization)
    assert (answer.status_code, answer.json()) == (502, {"detail": "storage.test answered 404"})


def test_it_is_ready_when_its_database_answers(api: TestClient) -> None:
    answer = api.get("/api/v1/health/ready")
    assert (answer.status_code, answer.json()["parts"]) == (200, {"database": True, "cache": True, "storage": True})


def test_it_is_ready_while_its_storage_is_down(api: TestClient, peers: Peers) -> None:
    peers.fails("GET", "/api/v1/health/live", httpx.ConnectError)
    answer = api.get("/api/v1/health/ready")
    assert (answer.status_code, answer.json()["parts"]["storage"]) == (200, False)


def test_it_is_not_ready_without_its_database(app: FastAPI, api: TestClient) -> None:
    app.state.sessions = sessionmaker(create_engine("sqlite:////nowhere/at/all"))
    answer = api.get("/api/v1/health/ready")
    assert (answer.status_code, answer.json()["parts"]["database"]) == (503, False)


def test_a_cache_that_is_down_fails_nothing(app: FastAPI, api: TestClient, authorization: dict[str, str]) -> None:
    with connect("redis://127.0.0.1:1", 1.0) as nowhere:
        app.state.redis = nowhere
        app.state.storage._admin._cache = Cache(nowhere)
        assert api.post("/api/v1/files", headers=authorization, files=FILE).status_code == 201
        assert api.get("/api/v1/health/ready").json()["parts"]["cache"] is False
        Cache(nowhere).forget("token")


def test_the_settings_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch, public_key: str) -> None:
    names = {"DATABASE_URL": "sqlite://", "REDIS_URL": "redis://cache", "ADMIN_URL": "http://admin"}
    for name, value in {**names, "JWT_PUBLIC_KEY": public_key, "PEER_TIMEOUT": "1.5", "CLIENT_SECRET": "abc"}.items():
        monkeypatch.setenv(name, value)
    found: Settings = create_app().state.settings
    assert (found.peer_timeout, found.jwt_public_key) == (1.5, public_key)
    assert "abc" not in repr(found)
