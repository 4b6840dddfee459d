"""What a stack of services needs and an engine other than docker on this machine cannot give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.errors import PlaceError
from noxlib.ledger import Ledger
from noxlib.places import reach
from noxlib.places.stack import Stack, Table, has_health

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


def check(stack: Stack, docker: Docker, image: str, labels: dict[str, str]) -> None:
    """Refuse such a stack before anything of it is started; by ``image`` the engine is tried.

    Raises:
        PlaceError: A service is asked for its health by podman, or mounts files that the engine does not see.
        EngineError: The engine fails.
    """
    sees_files = reach.of(docker, image, Ledger(), labels).bind
    refuse(stack, docker.kind, str(docker.endpoint), sees_files=sees_files)


def refuse(stack: Stack, kind: str, endpoint: str, *, sees_files: bool) -> None:
    """Refuse a stack that this engine would start and never have ready, or start without its files.

    Args:
        stack: The services.
        kind: Of the engine: ``docker`` or ``podman``.
        endpoint: Where it is.
        sees_files: Whether it sees this machine's files.

    Raises:
        PlaceError: A service is asked for its health by podman, or mounts files that the engine does not see.
    """
    asked = [name for name, service in stack.services.items() if has_health(service)]
    if kind == "podman" and asked:
        # By docker's interface podman splits the check's words at blanks, and runs none where there is no systemd.
        raise PlaceError(
            f"podman does not ask {', '.join(asked)} of {stack.file} for health as docker does",
            "set DOCKER_HOST to a docker engine; or take the healthcheck out: `ports` or `expose` are waited for then",
            cause="compose",
        )
    mounting = [name for name, service in stack.services.items() if _mounts_files(service)]
    if mounting and not sees_files:
        raise PlaceError(
            f"{', '.join(mounting)} of {stack.file} mounts files of this machine, which {endpoint} does not see",
            "put them into the service's image (build:, or configs: with content:), or use an engine on this machine",
            cause="compose",
        )


def _mounts_files(service: Table) -> bool:
    return any(volume.get("type") == "bind" for volume in service.get("volumes") or ())
