"""Blobs of a repository: sent from a file or from memory, and read, in pieces; each is checked against its digest."""

from __future__ import annotations

import hashlib
import io
from typing import IO, TYPE_CHECKING, Callable
from urllib.parse import urlsplit, urlunsplit

import requests

from noxlib.engines.chunks import SIZE
from noxlib.engines.registryfailure import absent
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.engines.registry import Registry

SENDINGS = 3  #: how often a blob is sent from its beginning where the connection breaks


def send(registry: Registry, data: bytes) -> str:
    """Upload what is in memory, unless it is there; its digest. Raises EngineError."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    _send(registry, digest, len(data), lambda: io.BytesIO(data))
    return digest


def send_file(registry: Registry, path: Path) -> tuple[str, int]:
    """Upload a file without holding it in memory, unless it is there; its digest and size. Raises EngineError."""
    hashing, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(SIZE), b""):
            hashing.update(chunk)
            size += len(chunk)
    digest = f"sha256:{hashing.hexdigest()}"
    _send(registry, digest, size, lambda: path.open("rb"))
    return digest, size


def _send(registry: Registry, digest: str, size: int, opened: Callable[[], IO[bytes]]) -> None:
    """One POST, then one PUT with all of it: what every registry takes."""
    if not absent(registry.ask("HEAD", f"blobs/{digest}")):
        return
    for left in reversed(range(SENDINGS)):
        begun = registry.ask("POST", "blobs/uploads/", write=True)
        try:
            with opened() as body:
                _put(registry, begun, digest, size, body)
        except EngineError as error:
            if error.cause != "lost" or not left:
                raise
        else:
            return


def _put(registry: Registry, begun: requests.Response, digest: str, size: int, body: IO[bytes]) -> None:
    try:
        parts = urlsplit(requests.compat.urljoin(begun.url, str(begun.headers.get("Location", ""))))
    except ValueError as error:
        raise EngineError(f"the registry {registry.host} names no address to upload to", "see its own log") from error
    query = f"{parts.query}&digest={digest}" if parts.query else f"digest={digest}"
    headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
    done = registry.ask(
        "PUT", urlunsplit(parts._replace(query=query)), write=True, attempts=1, body=body, headers=headers
    )
    if absent(done):
        raise EngineError(f"{registry.image}: the upload of {digest} is gone in its middle", "run this again")


def read(registry: Registry, digest: str, size: int) -> bytes:
    """A small blob. Raises EngineError where it is missing, of another size, or not what its digest says."""
    return b"".join(stream(registry, digest, size))


def stream(registry: Registry, digest: str, size: int) -> Iterator[bytes]:
    """A blob in pieces; what is wrong with it is told at its end at the latest. Raises EngineError."""
    hashing, seen = hashlib.sha256(), 0
    with registry.ask("GET", f"blobs/{digest}", stream=True) as answer:
        if absent(answer):
            raise _damaged(registry, digest, "missing")
        try:
            for chunk in answer.iter_content(SIZE):
                hashing.update(chunk)
                seen += len(chunk)
                if seen > size:
                    raise _damaged(registry, digest, "larger than its manifest says")
                yield chunk
        except requests.RequestException as error:
            what = f"{registry.image}: the connection broke while {digest} was read"
            raise EngineError(what, "run this again", cause="lost") from error
    if f"sha256:{hashing.hexdigest()}" != digest:
        raise _damaged(registry, digest, "not what its digest says")


def _damaged(registry: Registry, digest: str, how: str) -> EngineError:
    return EngineError(f"{registry.image}: the blob {digest} is {how}", "publish what it belongs to again")
