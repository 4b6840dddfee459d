"""Containers of our own beside those of the tests: in the ledger before they exist, gone when the block ends."""

from __future__ import annotations

import contextlib
import secrets
from typing import TYPE_CHECKING, Any

from noxlib.places import box

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Ledger


@contextlib.contextmanager
def container(docker: Docker, ledger: Ledger, purpose: str, body: Mapping[str, Any]) -> Iterator[str]:
    """The name of a container that is created and not started.

    Args:
        docker: The engine.
        ledger: Where it is written down.
        purpose: A part of its name.
        body: The engine API's description. What its labels do not say is added: whose it is.

    Raises:
        EngineError: The engine fails; what it could not remove stays in the ledger.
    """
    name = f"noxlib-{purpose}-{secrets.token_hex(4)}"
    entry = ledger.add("container", name, details={"endpoint": str(docker.endpoint)})
    try:
        docker.create(name, {**body, "Labels": {**box.labels(name, ""), **body.get("Labels", {})}})
        yield name
    finally:
        docker.remove(name)
        ledger.strike(entry)


def untouched(docker: Docker, ledger: Ledger, purpose: str, image: str) -> contextlib.AbstractContextManager[str]:
    """A container that is never started: by it the engine gives out an image's files. Raises EngineError."""
    return container(
        docker, ledger, purpose, {"Image": image, "Entrypoint": ["true"], "HostConfig": {"NetworkMode": "none"}}
    )
