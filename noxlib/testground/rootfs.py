"""An image's file system as a tar, for machines that have no container engine."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from noxlib.cache import Cache
from noxlib.errors import EngineError
from noxlib.ledger import Ledger, state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.engines.docker import Docker

TAR = "rootfs.tar"
BUDGET = 4 * 1024**3  #: bytes kept; the least recently used goes first


def chunks(docker: Docker, image: str) -> Iterator[bytes]:
    """The tar as it comes from the engine; names begin with ``/``, which every tar takes off when it unpacks.

    Raises:
        EngineError: The engine fails, or has no such image.
    """
    ledger = Ledger()
    name = f"noxlib-rootfs-{secrets.token_hex(4)}"
    entry = ledger.add("container", name, details={"endpoint": str(docker.endpoint)})
    try:
        docker.create(name, {"Image": image, "Entrypoint": ["true"], "HostConfig": {"NetworkMode": "none"}})
        found = docker.get_archive(name, "/")
        if found is None:
            raise EngineError(f"the engine gives no files of {image}", "see `docker export`")
        yield from found
    finally:
        docker.remove(name)
        ledger.strike(entry)


def tar(docker: Docker, image: str) -> Path:
    """The same as a file of this machine, made once for each image and kept in the cache.

    Raises:
        EngineError: The engine fails, or has no such image.
        CacheError: The disk is full.
    """

    def make(folder: Path) -> None:
        with (folder / TAR).open("wb") as stream:
            for chunk in chunks(docker, image):
                stream.write(chunk)

    digest = image.partition(":")[2] or image
    return Cache(state_folder() / "rootfs", BUDGET).make(digest, make) / TAR
