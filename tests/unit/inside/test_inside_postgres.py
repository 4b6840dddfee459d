"""Clones of a PostgreSQL without one: a server that goes away in between, and the forms that its URL may have."""

from __future__ import annotations

import os
import re
from types import SimpleNamespace
from typing import Any

import pytest

from noxlib.inside import postgres
from noxlib.inside.databases import DatabaseError
from noxlib.inside.postgres import Postgres

ANSWERS: dict[str, list[tuple[Any, ...]]] = {
    "SELECT datistemplate": [(True,)],
    "pg_get_userbyid(datdba)": [("owner",)],
    "SHOW fsync": [("on",)],
    "string_agg": [("psql",)],
}


class Error(Exception):
    """Of the driver."""


class OperationalError(Error):
    """A session was lost, or there is none to be had."""


class ObjectInUse(OperationalError):
    """The session stays."""


class Session:
    """One of a server's; it notices at its next question that the server has gone."""

    def __init__(self, server: Server) -> None:
        self.server, self.start = server, server.starts
        self.info = SimpleNamespace(server_version=150000)
        self.closed = False

    def execute(self, query: str, _: Any = None) -> Any:
        if self.start != self.server.starts:
            self.closed = True
            raise OperationalError("the connection was lost")
        if self.server.refuses and self.server.refuses in query:
            raise ObjectInUse("it is being accessed by other users")
        self.server.done.append(query)
        rows = next((rows for words, rows in ANSWERS.items() if words in query), [])
        return SimpleNamespace(description=True, fetchall=lambda: rows)

    def close(self) -> None:
        self.closed = True


class Server:
    """A PostgreSQL with the sealed copy of this run."""

    def __init__(self) -> None:
        self.starts, self.up, self.refuses = 1, True, ""
        self.done: list[str] = []
        self.urls: list[str] = []

    def read(self, url: str) -> dict[str, str]:
        self.urls.append(url)
        return {"host": "db", "dbname": "app"}

    def connect(self, **_: Any) -> Session:
        if not self.up:
            raise OperationalError("connection refused")
        return Session(self)

    def kill(self, *, again: bool) -> None:
        self.starts, self.up = self.starts + 1, again
        self.done.clear()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    found = Server()
    driver = SimpleNamespace(
        Error=Error,
        OperationalError=OperationalError,
        ProgrammingError=type("ProgrammingError", (Error,), {}),
        errors=SimpleNamespace(ObjectInUse=ObjectInUse, InsufficientPrivilege=type("Refused", (Error,), {})),
        connect=found.connect,
        conninfo=SimpleNamespace(conninfo_to_dict=found.read),
        pq=SimpleNamespace(Conninfo=SimpleNamespace(get_defaults=lambda: [SimpleNamespace(keyword=b"sslmode")])),
        sql=SimpleNamespace(SQL=str, Identifier=str, Literal=repr),
    )
    monkeypatch.setattr(postgres, "driver", lambda: driver)
    return found


@pytest.fixture
def clones(server: Server) -> Postgres:
    made = Postgres("postgresql://db/app")
    made.new()
    return made


def test_a_server_that_was_started_anew_gives_the_next_test_its_database(clones: Postgres, server: Server) -> None:
    server.kill(again=True)
    database = clones.new()
    (made,) = [done for done in server.done if done.startswith("CREATE DATABASE")]
    assert database.name in made
    assert any("pg_advisory_lock_shared" in done for done in server.done)
    server.kill(again=True)
    clones.drop(database)
    assert f"DROP DATABASE IF EXISTS {database.name} WITH (FORCE)" in server.done


def test_a_database_of_a_server_that_is_down_is_left_to_the_sweep(clones: Postgres, server: Server) -> None:
    database = clones.new()
    server.kill(again=False)
    clones.drop(database)
    with pytest.raises(DatabaseError, match="PostgreSQL at db:5432: connection refused"):
        clones.new()


def test_what_a_server_that_is_there_refuses_is_told(clones: Postgres, server: Server) -> None:
    database = clones.new()
    server.refuses = "DROP DATABASE"
    with pytest.raises(DatabaseError, match="others are connected to it: psql"):
        clones.drop(database)


@pytest.mark.parametrize(
    ("url", "asked", "told"),
    [
        ("postgresql://u:p@h:1/app", "postgresql://u:p@h:1/app", "postgresql://u:p@h:1/{}"),
        ("postgresql:///app?host=/run/pg", "postgresql:///app?host=/run/pg", "postgresql:///{}?host=/run/pg"),
        ("postgresql://h/?dbname=app", "postgresql://h/?dbname=app", "postgresql://h/{}"),
        ("postgresql://u:[@h/app", "postgresql://u:[@h/app", "postgresql://u:[@h/{}"),
        (
            "postgresql+asyncpg://h/app?ssl=require&sslmode=require",
            "postgresql://h/app?sslmode=require",
            "postgresql+asyncpg://h/{}?ssl=require&sslmode=require",
        ),
        ("postgresql://h/app?ssl=require", "postgresql://h/app?ssl=require", "postgresql://h/{}?ssl=require"),
    ],
)
def test_a_url_is_read_as_libpq_does_and_given_as_it_was(server: Server, url: str, asked: str, told: str) -> None:
    database = Postgres(url).new()
    assert server.urls == [asked]
    assert database.url == told.format(database.name)


@pytest.mark.parametrize("run", ["build-1", "", "\udc80", "6fb1b5a1c2d34e5f"])
def test_any_text_names_a_run(server: Server, monkeypatch: pytest.MonkeyPatch, run: str) -> None:
    monkeypatch.setattr(os, "environ", {"PYTEST_XDIST_TESTRUNUID": run})
    one, two = Postgres("postgresql://h/app"), Postgres("postgresql://h/app")
    assert (one.run == two.run) == bool(run)  # the workers of a run have one
    assert re.fullmatch("[0-9a-f]{15}", one.run)
    one.new()
