"""A logical database of Redis for each worker of pytest-xdist, emptied before each test and after.

A worker claims one by the name of its connection, ``noxlib-database-N``: the claim goes with the connection, however
the worker ends, and no test can delete it. The database that the URL names is left to the service under test.
"""

from __future__ import annotations

import contextlib
import os
import random
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from .databases import Database, DatabaseError, said, worker

if TYPE_CHECKING:
    from collections.abc import Iterator

CLAIM = "noxlib-database-"
SECONDS = 10.0  # for a database to become free
GIVEN = ("host", "port", "db", "username", "password", "ssl")  # of what the driver reads from a URL
SCHEMES = ("redis", "rediss")


class Redis:
    """The database of one process of a test run.

    Args:
        url: ``redis://`` or ``rediss://``, as the driver redis takes it.
    """

    def __init__(self, url: str) -> None:
        self.driver = driver()
        if not _is_url(url):
            what = "that is no URL of Redis: it is redis://HOST:PORT, or rediss://" if url else "where is Redis?"
            raise DatabaseError(what, "set REDIS_URL, or --redis-url env:NAME")
        self.url = url
        self.client: Any = None

    def begin(self) -> None:
        """Connect, and claim a database that no other worker has."""
        with self._explained(), contextlib.closing(self._connect(self.url)) as client:
            number = self._claim(client, self._numbers(client))
            self.client = self._connect(
                self._url_of(number), client_name=f"{CLAIM}{number}"
            )  # the name outlives a lost connection
            self.client.ping()

    def database(self) -> Database:
        """The claimed database."""
        found = self.client.connection_pool.connection_kwargs
        return Database(str(found["db"]), self._url_of(found["db"]), {key: found[key] for key in GIVEN if key in found})

    def empty(self) -> None:
        """Remove all keys of the claimed database."""
        with self._explained():
            try:
                self.client.flushdb()
            except self.driver.ConnectionError:  # a test may have killed the server, which is there again
                self.client.flushdb()

    def end(self) -> None:
        """Let go of the claim."""
        if self.client is not None:
            self.client.close()

    def _connect(self, url: str, **options: str) -> Any:
        return self.driver.Redis.from_url(url, single_connection_client=True, socket_connect_timeout=10, **options)

    def _numbers(self, client: Any) -> list[int]:
        """The databases that workers may have, beginning elsewhere in each of them."""
        own = int(client.connection_pool.connection_kwargs.get("db") or 0)
        numbers = [number for number in range(self._count(client)) if number != own]
        workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        if len(numbers) < workers:
            raise DatabaseError(
                f"Redis has {len(numbers)} databases beside the one of its URL, and {workers} workers want one each",
                f"start it with --databases {workers + 1}"
                + (f", or the tests with -n {len(numbers)}" if numbers else ""),
            )
        digits = worker().strip("gw")
        first = int(digits) if digits.isdigit() else 0
        return [numbers[(first + at) % len(numbers)] for at in range(len(numbers))]

    def _count(self, client: Any) -> int:
        """How many there are; a server that does not say has the default."""
        try:
            return int(client.config_get("databases").get("databases", 1))
        except self.driver.ResponseError:
            return 16

    def _claim(self, client: Any, numbers: list[int]) -> int:
        deadline = time.monotonic() + SECONDS
        while True:
            for number in numbers:
                client.client_setname(f"{CLAIM}{number}")
                if sum(one["name"] == f"{CLAIM}{number}" for one in client.client_list()) == 1:
                    return number
            client.client_setname("")  # two that claim the same at once both step back
            if time.monotonic() >= deadline:
                raise DatabaseError(
                    f"all {len(numbers)} databases of Redis belong to workers of this run or another",
                    "wait for that one, or start Redis with more by --databases",
                )
            time.sleep(random.uniform(0.05, 0.2))  # noqa: S311 - no secret

    def _url_of(self, number: int) -> str:
        parts = urlsplit(self.url)
        query = urlencode([pair for pair in parse_qsl(parts.query) if pair[0] != "db"])
        return parts._replace(path=f"/{number}", query=query).geturl()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except self.driver.RedisError as error:
            parts = urlsplit(self.url)
            raise DatabaseError(
                f"Redis at {parts.hostname}:{parts.port or 6379}: {said(error)}",
                "look at its log, and at what REDIS_URL says",
            ) from None


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its port is no number, or it has half a bracket
        return False
    return parts.scheme in SCHEMES and port != 0


def driver() -> Any:
    """The module redis. Raises DatabaseError where it is not installed."""
    try:
        import redis  # type: ignore[import-not-found,unused-ignore] # noqa: PLC0415 - an extra
    except ImportError as error:
        raise DatabaseError(
            f"redis_database needs the package redis, which is not here: {said(error)}",
            'add fixtures = ["redis"] to [tool.noxlib], or install noxlib[redis]',
        ) from None
    return redis
