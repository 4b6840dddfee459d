"""Takes files in: asks a peer for a token, stores the file at another, keeps an index and a cache."""

from __future__ import annotations

import json
import os
import ssl
import urllib.request
from typing import Any
from urllib.parse import urlsplit

import pg8000.dbapi
import redis


def database() -> Any:
    """A connection to the database that DATABASE_URL names."""
    url = urlsplit(os.environ["DATABASE_URL"])
    return pg8000.dbapi.connect(
        user=url.username or "", password=url.password, host=url.hostname or "", port=url.port or 5432, database=url.path[1:]
    )


def cache() -> Any:
    """The cache that REDIS_URL names."""
    return redis.Redis.from_url(os.environ["REDIS_URL"])


def ask(method: str, url: str, token: str = "") -> tuple[int, Any]:
    """Status and JSON of a request to a peer."""
    request = urllib.request.Request(url, method=method, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10, context=ssl.create_default_context()) as answer:
        text = answer.read()
        return answer.status, json.loads(text) if text else None


def upload(name: str) -> str:
    """Store a file at the storage peer and index it; its id."""
    token = ask("POST", os.environ["ADMIN_URL"] + "/api/auth/token")[1]["access_token"]
    number = str(ask("POST", os.environ["STORAGE_URL"] + "/api/v1/files/upload", token)[1]["file_id"])
    connection = database()
    cursor = connection.cursor()
    cursor.execute("CREATE TABLE IF NOT EXISTS files (id text, name text)")
    cursor.execute("INSERT INTO files VALUES (%s, %s)", (number, name))
    connection.commit()
    connection.close()
    cache().set(number, name)
    return number
