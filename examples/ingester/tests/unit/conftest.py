"""The service with nothing around it: its database in memory, its cache a dictionary, its peers functions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable, Optional

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy import create_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from ingester.cache import Cache
from ingester.database import Base
from ingester.main import create_app
from ingester.peers import Admin, Storage
from ingester.settings import Settings
from tests.factories import StorageElementsFactory, StoredFactory, TokenFactory

Answer = Callable[[httpx.Request], httpx.Response]


class Memory:
    """As much of redis as the cache asks for."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.kept_for: dict[str, int] = {}

    def get(self, key: str) -> Optional[bytes]:
        return self.values.get(key)

    def set(self, key: str, value: str, ex: int) -> None:
        self.values[key], self.kept_for[key] = value.encode(), ex

    def delete(self, key: str) -> None:
        self.values.pop(key, None)

    def ping(self) -> bool:
        return True

    def close(self) -> None:
        """Nothing is open."""


class Peers:
    """Both peers: they answer what is right, or what a test gives them, and remember what they were asked."""

    def __init__(self) -> None:
        self.asked: list[httpx.Request] = []
        self.answers: dict[tuple[str, str], Answer] = {}
        self.token = TokenFactory.build()
        self.elements = StorageElementsFactory.build()
        self.stored = StoredFactory.build(file_id="file-1")
        self.says("POST", "/api/auth/token", 200, self.token)
        self.says("GET", "/api/storage-elements", 200, self.elements)
        self.says("POST", "/api/v1/files/upload", 201, self.stored)
        self.answers["GET", "/api/v1/health/live"] = lambda _: httpx.Response(200)
        self.answers["DELETE", "/api/v1/files/file-1"] = lambda _: httpx.Response(204)
        self.answers["GET", "/api/v1/files/file-1"] = lambda _: httpx.Response(200, content=b"content")

    def says(self, method: str, path: str, status: int, body: Any) -> None:
        """Answer with a model."""
        text = body if isinstance(body, str) else body.model_dump_json()
        self.answers[method, path] = lambda _: httpx.Response(status, text=text)

    def fails(self, method: str, path: str, error: type[httpx.HTTPError]) -> None:
        """Do not answer."""

        def failing(request: httpx.Request) -> httpx.Response:
            raise error(error.__name__)

        self.answers[method, path] = failing

    def paths(self) -> list[str]:
        """What was asked, in order."""
        return [f"{request.method} {request.url.path}" for request in self.asked]

    def __call__(self, request: httpx.Request) -> httpx.Response:
        request.read()
        self.asked.append(request)
        return self.answers[request.method, request.url.path](request)


@pytest.fixture
def peers() -> Peers:
    return Peers()


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def session() -> Iterator[Session]:
    """An index in memory, with all tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Base.metadata.create_all(engine)
    with Session(engine, expire_on_commit=False) as opened:
        yield opened
    engine.dispose()


@pytest.fixture
def storage(peers: Peers, memory: Memory, settings: Settings) -> Iterator[Storage]:
    with httpx.Client(transport=httpx.MockTransport(peers)) as client:
        yield Storage(client, Admin(client, Cache(memory), settings))


@pytest.fixture
def app(settings: Settings, peers: Peers, memory: Memory, session: Session, storage: Storage) -> FastAPI:
    """The whole application over these."""
    made = create_app(settings, httpx.MockTransport(peers))
    made.state.redis = memory
    made.state.storage = storage
    made.state.sessions = sessionmaker(session.get_bind(), expire_on_commit=False)
    return made


@pytest.fixture
def api(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client
