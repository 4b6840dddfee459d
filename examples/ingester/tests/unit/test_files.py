"""The upload service: storage first, then the index."""

from __future__ import annotations

import hashlib
import io
import logging
import uuid
from typing import NoReturn

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from ingester.files import Files, NotFound, TooLarge, measured
from ingester.peers import NoStorage, PeerError, PeerSlow, Storage
from tests.factories import StorageElementFactory, StorageElementsFactory
from tests.unit.conftest import Memory, Peers


@pytest.fixture
def files(session: Session, storage: Storage) -> Files:
    return Files(session, storage, "alice", 1000)


def upload(files: Files, content: bytes = b"content") -> uuid.UUID:
    return files.upload("a.txt", "text/plain", io.BytesIO(content)).id


@given(st.binary())
def test_size_and_digest_are_those_of_the_content(content: bytes) -> None:
    assert measured(io.BytesIO(content), 10**6) == (len(content), hashlib.sha256(content).hexdigest())


def test_a_file_is_stored_and_indexed(files: Files, peers: Peers) -> None:
    file = files.get(upload(files))
    assert (file.name, file.content_type, file.size) == ("a.txt", "text/plain", 7)
    assert (file.storage_element, file.stored_as) == (peers.elements.items[0].id, "file-1")
    assert b"content" in peers.asked[-1].content
    assert peers.paths() == ["POST /api/auth/token", "GET /api/storage-elements", "POST /api/v1/files/upload"]


def test_token_and_storage_elements_are_asked_for_once(files: Files, peers: Peers, memory: Memory) -> None:
    upload(files)
    upload(files)
    assert peers.paths()[3:] == ["POST /api/v1/files/upload"]
    assert memory.kept_for == {"token": 3570, "storage-elements": 60}


def test_a_token_that_is_refused_is_replaced_where_a_file_is_read_too(
    files: Files, peers: Peers, memory: Memory
) -> None:
    file = files.get(upload(files))
    memory.set("token", "old", 60)
    good = peers.answers["GET", "/api/v1/files/file-1"]
    peers.answers["GET", "/api/v1/files/file-1"] = lambda request: (
        httpx.Response(401) if request.headers["Authorization"] == "Bearer old" else good(request)
    )
    with files.content(file) as pieces:
        assert b"".join(pieces) == b"content"


def test_a_token_that_is_refused_is_replaced(files: Files, peers: Peers, memory: Memory) -> None:
    memory.set("token", "old", 60)
    good = peers.answers["POST", "/api/v1/files/upload"]
    peers.answers["POST", "/api/v1/files/upload"] = lambda request: (
        httpx.Response(401) if request.headers["Authorization"] == "Bearer old" else good(request)
    )
    assert files.get(upload(files)).size == 7
    assert peers.asked[-1].headers["Authorization"] == f"Bearer {peers.token.access_token}"
    assert b"content" in peers.asked[-1].content


def test_what_is_too_large_is_not_stored(files: Files, peers: Peers) -> None:
    with pytest.raises(TooLarge):
        upload(files, b"x" * 1001)
    assert peers.asked == []


def test_a_storage_element_that_only_reads_gets_nothing(files: Files, peers: Peers) -> None:
    elements = [StorageElementFactory.build(mode="ro"), StorageElementFactory.build()]
    peers.says("GET", "/api/storage-elements", 200, StorageElementsFactory.build(items=elements))
    assert files.get(upload(files)).storage_element == elements[1].id
    files.delete(files.newest(1)[0].id)


def test_without_a_storage_element_that_takes_files_nothing_is_indexed(files: Files, peers: Peers) -> None:
    peers.says("GET", "/api/storage-elements", 200, StorageElementsFactory.build(items=[]))
    with pytest.raises(NoStorage):
        upload(files)
    assert files.newest(10) == []


@pytest.mark.parametrize(
    ("error", "raised"), [(httpx.ConnectError, PeerError), (httpx.ReadError, PeerError), (httpx.ReadTimeout, PeerSlow)]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/auth/token"), ("GET", "/api/storage-elements"), ("POST", "/api/v1/files/upload")],
)
def test_a_peer_that_does_not_answer_leaves_nothing_in_the_index(
    files: Files, peers: Peers, method: str, path: str, error: type[httpx.HTTPError], raised: type[PeerError]
) -> None:
    peers.fails(method, path, error)
    with pytest.raises(raised):
        upload(files)
    assert files.newest(10) == []


@pytest.mark.parametrize(("status", "text"), [(500, "{}"), (201, "no JSON"), (201, '{"file_id": ""}')])
def test_a_peer_that_answers_something_else_is_told(files: Files, peers: Peers, status: int, text: str) -> None:
    peers.says("POST", "/api/v1/files/upload", status, text)
    with pytest.raises(PeerError, match="answered"):
        upload(files)


def broken(*_: object) -> NoReturn:
    raise OperationalError("INSERT", {}, Exception("the disk is full"))


def test_what_cannot_be_indexed_is_deleted_from_the_storage(
    files: Files, peers: Peers, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "commit", broken)
    with pytest.raises(OperationalError):
        upload(files)
    assert peers.paths()[-1] == "DELETE /api/v1/files/file-1"


def test_what_could_not_be_deleted_is_told_by_the_log(
    files: Files, peers: Peers, session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(session, "commit", broken)
    peers.fails("DELETE", "/api/v1/files/file-1", httpx.ConnectError)
    with caplog.at_level(logging.ERROR), pytest.raises(OperationalError):
        upload(files)
    assert [record.message for record in caplog.records] == ["left in the storage"]


def test_a_file_that_is_deleted_is_gone_from_both(files: Files, peers: Peers) -> None:
    file_id = upload(files)
    files.delete(file_id)
    assert peers.paths()[-1] == "DELETE /api/v1/files/file-1"
    with pytest.raises(NotFound):
        files.get(file_id)


def test_a_file_that_its_storage_has_lost_can_be_deleted(files: Files, peers: Peers) -> None:
    file_id = upload(files)
    peers.answers["DELETE", "/api/v1/files/file-1"] = lambda _: httpx.Response(404)
    files.delete(file_id)
    assert files.newest(10) == []


def test_a_file_stays_in_the_index_when_its_storage_does_not_answer(files: Files, peers: Peers) -> None:
    file_id = upload(files)
    peers.fails("DELETE", "/api/v1/files/file-1", httpx.ReadTimeout)
    with pytest.raises(PeerSlow):
        files.delete(file_id)
    assert files.get(file_id).id == file_id


def test_a_file_of_somebody_else_is_not_there(files: Files, session: Session, storage: Storage) -> None:
    file_id = upload(files)
    with pytest.raises(NotFound):
        Files(session, storage, "bob", 1000).get(file_id)
