"""Which BuildKit builds: the one in the engine, or the builder that ``BUILDX_BUILDER`` names, as it does for buildx."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from noxlib.engines import client, process
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker

VARIABLE = "BUILDX_BUILDER"
OWN = "default"  #: the one in the engine: alone it sees images that no registry has
_DRIVER = re.compile(r"^Driver:\s+(\S+)", re.MULTILINE)
_SECONDS = 300.0  # one in a container is started, for which its image is pulled


def chosen(docker: Docker) -> str:
    """The name of the builder; ``OWN`` for whatever name an engine's own has (driver docker), and for podman.

    https://docs.docker.com/build/builders/

    Raises:
        EngineError: There is no such builder, or it does not answer.
    """
    name = os.environ.get(VARIABLE) or OWN
    if name == OWN or docker.kind == "podman":
        return OWN
    argv = [command(), "buildx", "inspect", "--bootstrap", name]
    done = process.run(argv, env=docker.command_environment(), timeout=_SECONDS)
    driver = _DRIVER.search(done.stdout)
    if done.returncode != 0 or driver is None:
        said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
        raise EngineError(
            f"{VARIABLE} is {name!r}, which cannot build: {said[-1][:300] if said else 'buildx says nothing of it'}",
            f"look at: docker buildx ls; without {VARIABLE} the engine's own builder is taken",
        )
    return OWN if driver[1] == "docker" else name


def command() -> str:
    """The docker command that has buildx. Raises EngineError."""
    return client.command(
        "buildx",
        "nothing can be built",
        "install docker's buildx plugin (Debian: docker-buildx, Docker's own packages: docker-buildx-plugin)",
    )
