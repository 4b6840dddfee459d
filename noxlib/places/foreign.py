"""What a stack of services needs and an engine other than docker on this machine cannot give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.errors import PlaceError
from noxlib.ledger import Ledger
from noxlib.places import reach
from noxlib.places.stack import Stack, Table

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


def check(stack: Stack, docker: Docker, image: str, labels: dict[str, str]) -> None:
    """Refuse such a stack before anything of it is started; by ``image`` the engine is tried.

    Raises:
        PlaceError: A service mounts files that the engine does not see.
        EngineError: The engine fails.
    """
    sees_files = reach.of(docker, image, Ledger(), labels).bind
    refuse(stack, str(docker.endpoint), sees_files=sees_files)


def refuse(stack: Stack, endpoint: str, *, sees_files: bool) -> None:
    """Refuse a stack that this engine would start without its files.

    Args:
        stack: The services.
        endpoint: Where it is.
        sees_files: Whether it sees this machine's files.

    Raises:
        PlaceError: A service mounts files that the engine does not see.
    """
    mounting = [name for name, service in stack.services.items() if _mounts_files(service)]
    if mounting and not sees_files:
        raise PlaceError(
            f"{', '.join(mounting)} of {stack.file} mounts files of this machine, which {endpoint} does not see",
            "put them into the service's image (build:, or configs: with content:), or use an engine on this machine",
            cause="compose",
        )


def _mounts_files(service: Table) -> bool:
    return any(volume.get("type") == "bind" for volume in service.get("volumes") or ())
