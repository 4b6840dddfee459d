"""What the service asks storage elements for, and what it makes of their answers."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

FILE = {"file": ("a.txt", b"a letter", "text/plain")}


def test_what_is_stored_is_what_came_in(api: TestClient, authorization: dict[str, str], mock_peer: Any) -> None:
    api.post("/api/v1/files", headers=authorization, files=FILE)
    (upload,) = mock_peer("mock-storage").verify("/api/v1/files/upload", method="POST", times=1)
    assert upload.headers["Content-Type"][0].startswith("multipart/form-data")
    assert "a letter" in str(upload.body)


def test_a_file_is_deleted_where_it_was_stored(api: TestClient, authorization: dict[str, str], mock_peer: Any) -> None:
    file = api.post("/api/v1/files", headers=authorization, files=FILE).json()
    api.delete(f"/api/v1/files/{file['id']}", headers=authorization)
    mock_peer("mock-storage").verify("/api/v1/files/file-1", method="DELETE", times=1)


def test_a_file_that_its_storage_has_lost_can_be_deleted(
    api: TestClient, authorization: dict[str, str], mock_peer: Any
) -> None:
    file = api.post("/api/v1/files", headers=authorization, files=FILE).json()
    mock_peer("mock-storage").expect("DELETE", "/api/v1/files/file-1", status=404)
    assert api.delete(f"/api/v1/files/{file['id']}", headers=authorization).status_code == 204


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        ({"status": 507}, "mock-storage answered 507"),
        ({"status": 201, "json": {"file_id": ""}}, "mock-storage answered something else"),
    ],
)
def test_a_storage_that_does_not_take_a_file_is_told(
    api: TestClient, authorization: dict[str, str], mock_peer: Any, answer: dict[str, Any], detail: str
) -> None:
    mock_peer("mock-storage").expect("POST", "/api/v1/files/upload", **answer)
    failed = api.post("/api/v1/files", headers=authorization, files=FILE)
    assert failed.status_code == 502
    assert failed.json()["detail"].startswith(detail)
    assert api.get("/api/v1/files", headers=authorization).json() == []


def test_where_all_storage_elements_only_read_nothing_is_taken_in(
    api: TestClient, authorization: dict[str, str], mock_peer: Any
) -> None:
    items = [{"id": "old", "url": "http://mock-storage:8010", "mode": "ro"}]
    mock_peer("mock-admin").expect("GET", "/api/storage-elements", json={"items": items})
    assert api.post("/api/v1/files", headers=authorization, files=FILE).status_code == 503
