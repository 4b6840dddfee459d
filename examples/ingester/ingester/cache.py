"""What may be forgotten, in redis: a cache that is down costs time, and fails nothing."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Optional

from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)


class Cache:
    """Texts by key, for a while."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def get(self, key: str) -> Optional[str]:
        """The text; None when there is none, or nobody to ask."""
        with tolerated():
            found = self._redis.get(key)
            return None if found is None else found.decode()
        return None

    def put(self, key: str, text: str, seconds: int) -> None:
        with tolerated():
            self._redis.set(key, text, ex=seconds)

    def forget(self, key: str) -> None:
        with tolerated():
            self._redis.delete(key)


def connect(url: str, seconds: float) -> Redis:
    """A redis that answers within so many seconds or not at all: left to itself redis-py would go on asking."""
    return Redis.from_url(
        url, socket_timeout=seconds, socket_connect_timeout=seconds, retry=Retry(NoBackoff(), retries=0)
    )


@contextlib.contextmanager
def tolerated() -> Iterator[None]:
    try:
        yield
    except RedisError as error:
        logger.warning("the cache does not answer: %s", error)
