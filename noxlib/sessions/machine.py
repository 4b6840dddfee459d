"""What this machine has of what the places need: engine, builder, disk, interpreters, tools."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.config.project import Project
from noxlib.errors import NoxlibError
from noxlib.sessions import programs, registry_state
from noxlib.sessions.finding import Finding

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker

ENOUGH_DISK = 5 * 1024**3  #: bytes; four testgrounds and their layers need about two


def look(project: Project) -> tuple[Finding, ...]:
    """All findings, in the order in which they are shown."""
    return tuple(_all(project))


def _all(project: Project) -> Iterator[Finding]:
    yield from _engine(project)
    yield from _services()
    yield from _disk()
    yield from _interpreters(project)
    yield _uv()
    yield _program("git", "git", "install git; without it records know no commit")
    yield _ca_bundle()
    yield from registry_state.look(project)
    yield from programs.look(project)


def _engine(project: Project) -> Iterator[Finding]:
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - the doctor asks everything, no other step does

    wanted = programs.needs(project.config)
    needed = project.config.place == "container" or bool(wanted & {"compose", "qemu"})
    try:
        docker = Docker.connect()
    except NoxlibError as error:
        yield Finding("engine", error.what, ok=False, needed=needed, fix=error.todo)
        return
    yield Finding("engine", f"{docker.kind} {docker.version} at {docker.endpoint}, {docker.platform}")
    if docker.kind == "podman":
        yield _podman(docker, needed=needed)
        return
    yield from _plugins(docker.command_environment(), {"builder": needed, "compose": "compose" in wanted})


def _podman(docker: Docker, *, needed: bool) -> Finding:
    from noxlib.engines import podman  # noqa: PLC0415

    try:
        return Finding("builder", " ".join(podman.command(docker.endpoint)))
    except NoxlibError as error:
        return Finding("builder", error.what, ok=False, needed=needed, fix=error.todo)


def _plugins(environment: dict[str, str], needed: dict[str, bool]) -> Iterator[Finding]:
    from noxlib.engines import client, process  # noqa: PLC0415

    for name, plugin, fix in (
        ("builder", "buildx", "install buildx (Debian: docker-buildx; Docker's own packages: docker-buildx-plugin)"),
        ("compose", "compose", "install compose 2 (Debian: docker-compose; Docker's own: docker-compose-plugin)"),
    ):
        try:
            done = process.run(("docker", plugin, "version"), env=environment, timeout=client.SECONDS, check=True)
        except NoxlibError as error:
            yield Finding(name, error.what, ok=False, needed=needed[name], fix=fix)
        else:
            yield Finding(name, done.stdout.strip().partition("\n")[0])


def _services() -> Iterator[Finding]:
    """What stays up of stacks, of any checkout."""
    from noxlib.ledger import Ledger  # noqa: PLC0415
    from noxlib.places import kept  # noqa: PLC0415

    for entry in kept.everything(Ledger()):
        yield Finding("stays up", kept.told(entry))


def _disk() -> Iterator[Finding]:
    from noxlib.ledger import state_folder  # noqa: PLC0415

    folder = state_folder()
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    yield Finding(
        "free disk",
        f"{free / 1024**3:.1f} GiB at {existing}",
        ok=free >= ENOUGH_DISK,
        fix="free space, or set NOXLIB_CACHE_DIR to a folder on a larger disk",
    )


def _interpreters(project: Project) -> Iterator[Finding]:
    from noxlib.engines import interpreters  # noqa: PLC0415
    from noxlib.ledger import state_folder  # noqa: PLC0415

    for python in project.pythons:
        try:
            yield Finding(f"python {python}", str(interpreters.find(python, state_folder())))
        except NoxlibError as error:
            needed = project.config.place == "venv"
            yield Finding(f"python {python}", error.what, ok=False, needed=needed, fix=error.todo)


def _uv() -> Finding:
    from uv import find_uv_bin  # noqa: PLC0415

    try:
        return Finding("uv", find_uv_bin())
    except FileNotFoundError:
        return Finding(
            "uv", "the uv package holds no program", ok=False, needed=True, fix="pip install --force-reinstall uv"
        )


def _program(name: str, program: str, fix: str) -> Finding:
    found = shutil.which(program)
    return Finding(name, found or f"{program} is not on PATH", ok=found is not None, fix=fix)


def _ca_bundle() -> Finding:
    for variable in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        path = os.environ.get(variable)
        if path:
            there = Path(path).is_file()
            fix = f"unset {variable}, or let it name a file"
            return Finding("CA bundle", f"{path} (from {variable})", ok=there, needed=not there, fix=fix)
    return Finding("CA bundle", "the system's own")
