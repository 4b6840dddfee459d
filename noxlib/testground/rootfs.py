"""An image's file system as a tar, for machines that have no container engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.errors import EngineError
from noxlib.ledger import Ledger
from noxlib.places import noted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.docker import Docker


def chunks(docker: Docker, image: str) -> Iterator[bytes]:
    """The tar as it comes from the engine; names begin with ``/``, which every tar takes off when it unpacks.

    Raises:
        EngineError: The engine fails, or has no such image.
    """
    with noted.untouched(docker, Ledger(), "rootfs", image) as container:
        yield from files(docker, container, image)


def files(docker: Docker, container: str, image: str) -> Iterator[bytes]:
    """The tar of all files of a container of an image. Raises EngineError."""
    found = docker.get_archive(container, "/")
    if found is None:
        raise EngineError(f"the engine gives no files of {image}", "see `docker export`")
    yield from found
