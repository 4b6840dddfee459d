"""Upload → storage → index → delete, through all real parts."""

from __future__ import annotations

import hashlib
import uuid
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from fastapi.testclient import TestClient

from tests.conftest import Make

CONTENT = b"a letter" * 10_000
FILE = {"file": ("letter.txt", CONTENT, "text/plain")}


def test_a_file_goes_its_whole_way(api: TestClient, make_token: Make) -> None:
    headers = {"Authorization": f"Bearer {make_token(sub=str(uuid.uuid4()))}"}
    made = api.post("/api/v1/files", headers=headers, files=FILE)
    assert made.status_code == 201, made.text
    file = made.json()
    assert (file["size"], file["sha256"]) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
    assert file["storage_element"] == "storage-1"
    assert api.get(f"/api/v1/files/{file['id']}", headers=headers).json() == file
    assert api.get("/api/v1/files", headers=headers).json() == [file]
    assert api.delete(f"/api/v1/files/{file['id']}", headers=headers).status_code == 204
    assert api.get("/api/v1/files", headers=headers).json() == []


def test_files_are_their_owners(api: TestClient, make_token: Make) -> None:
    alice, bob = ({"Authorization": f"Bearer {make_token(sub=str(uuid.uuid4()))}"} for _ in range(2))
    file = api.post("/api/v1/files", headers=alice, files=FILE).json()
    assert api.get(f"/api/v1/files/{file['id']}", headers=bob).status_code == 404
    assert api.delete(f"/api/v1/files/{file['id']}", headers=bob).status_code == 404
    assert api.get(f"/api/v1/files/{file['id']}", headers=alice).status_code == 200


def test_the_newest_come_first_and_no_more_than_are_asked_for(api: TestClient, make_token: Make) -> None:
    headers = {"Authorization": f"Bearer {make_token(sub=str(uuid.uuid4()))}"}
    for number in range(3):
        api.post("/api/v1/files", headers=headers, files={"file": (f"{number}.txt", b"x")})
    found = api.get("/api/v1/files?limit=2", headers=headers).json()
    assert [file["name"] for file in found] == ["2.txt", "1.txt"]


def test_a_content_comes_from_where_it_is_stored(
    api: TestClient, authorization: dict[str, str], mock_peer: Any
) -> None:
    mock_peer("mock-storage").expect("GET", "/api/v1/files/file-1", text="a letter")
    file = api.post("/api/v1/files", headers=authorization, files={"file": ("a.txt", b"a letter")}).json()
    assert api.get(f"/api/v1/files/{file['id']}/content", headers=authorization).content == b"a letter"


def test_all_that_it_needs_is_there(api: TestClient) -> None:
    parts = {"database": True, "cache": True, "storage": True}
    assert api.get("/api/v1/health/ready").json() == {"status": "ok", "parts": parts}


def test_the_migrations_make_what_the_models_say() -> None:
    command.check(Config(Path(__file__).parents[2] / "alembic.ini"))
