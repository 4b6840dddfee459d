"""Fixtures of databases without a database: where it is, what is told, who claims which one of Redis."""

from __future__ import annotations

import builtins
from types import SimpleNamespace
from typing import Any

import pytest

from noxlib.inside import databases, postgres, redis_databases
from noxlib.inside.databases import Database, DatabaseError
from noxlib.inside.redis_databases import CLAIM, Redis


class Server:
    """A Redis that several clients are connected to."""

    def __init__(self, count: int = 4, names: tuple[str, ...] = ()) -> None:
        self.count = count
        self.others = list(names)
        self.name = ""
        self.connection_pool = SimpleNamespace(connection_kwargs={"db": 0})

    def config_get(self, _: str) -> dict[str, str]:
        return {"databases": str(self.count)}

    def client_setname(self, name: str) -> None:
        self.name = name

    def client_list(self) -> list[dict[str, str]]:
        return [{"name": name} for name in (*self.others, self.name)]


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch) -> Redis:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(redis_databases, "SECONDS", 0.01)
    monkeypatch.setattr(redis_databases, "driver", lambda: SimpleNamespace(ResponseError=KeyError))
    return Redis("redis://:secret@cache/0?db=3&protocol=3")


def test_workers_begin_elsewhere_and_leave_the_urls_own_alone(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    assert redis._numbers(Server()) == [1, 2, 3]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw1")
    assert redis._numbers(Server()) == [2, 3, 1]
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw7")
    assert redis._numbers(Server()) == [2, 3, 1]


def test_a_number_that_another_has_is_left_to_it(redis: Redis) -> None:
    server = Server(names=(f"{CLAIM}1", f"{CLAIM}3", "somebody"))
    assert redis._claim(server, [1, 2, 3]) == 2
    assert server.name == f"{CLAIM}2"


def test_where_all_are_taken_it_is_told_and_nothing_is_claimed(redis: Redis) -> None:
    server = Server(names=(f"{CLAIM}1",))
    with pytest.raises(DatabaseError, match="all 1 databases of Redis belong to workers"):
        redis._claim(server, [1])
    assert server.name == ""


@pytest.mark.parametrize(("count", "todo"), [(2, "or the tests with -n 1"), (1, "start it with --databases 4")])
def test_more_workers_than_databases_is_told(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, count: int, todo: str
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "3")
    with pytest.raises(DatabaseError) as caught:
        redis._numbers(Server(count))
    assert todo in caught.value.args[1]


def test_a_url_gets_the_number_and_keeps_the_rest(redis: Redis) -> None:
    assert redis._url_of(2) == "redis://:secret@cache/2?protocol=3"


@pytest.mark.parametrize("url", ["", "http://cache", "cache:6379", "redis://cache:port", "redis://[cache"])
def test_what_is_no_url_of_redis_is_refused(redis: Redis, url: str) -> None:
    with pytest.raises(DatabaseError) as caught:
        Redis(url)
    assert caught.value.args[1] == "set REDIS_URL, or --redis-url env:NAME"


@pytest.mark.parametrize("find", [postgres.driver, redis_databases.driver])
def test_an_absent_driver_is_told(find: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def absent(name: str, *rest: Any) -> Any:
        if name in ("psycopg", "redis"):
            raise ImportError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(DatabaseError) as caught:
        find()
    assert "which is not here: No module named" in caught.value.args[0]
    assert "to [tool.noxlib]" in caught.value.args[1]


def test_an_address_comes_from_the_option_or_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "one")
    monkeypatch.setenv("OTHER", "two")

    def asked(value: str | None) -> Any:
        return SimpleNamespace(option=SimpleNamespace(noxlib_postgres_url=value))

    assert databases.address(asked(None), "postgres-url", "DATABASE_URL") == "one"
    assert databases.address(asked("env:OTHER"), "postgres-url", "DATABASE_URL") == "two"
    with pytest.raises(DatabaseError, match="--postgres-url: the variable ABSENT is not set here"):
        databases.address(asked("env:ABSENT"), "postgres-url", "DATABASE_URL")
    with pytest.raises(DatabaseError, match="No such file or directory: '/absent'"):
        databases.address(asked("file:/absent"), "postgres-url", "DATABASE_URL")


def test_a_password_is_not_shown() -> None:
    assert "hunter22" not in repr(Database("d", "postgresql://u:hunter22@h/d", {"password": "hunter22"}))


def test_a_failure_is_two_lines_without_where_it_came_from() -> None:
    with pytest.raises(pytest.fail.Exception) as caught, databases.failing():
        raise DatabaseError("what", "todo")
    assert str(caught.value) == "what\n  todo"
    assert caught.value.__suppress_context__
    assert databases.said(ValueError("")) == "ValueError"
