"""Programs of another machine's architecture: does the kernel below an engine run them? Looked at, else tried."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.errors import EngineError, PlaceError
from noxlib.places import noted

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker
    from noxlib.ledger import Ledger

FORMATS = Path("/proc/sys/fs/binfmt_misc")
#: ``e_machine`` of an ELF file's header (elf(5)), little-endian, as it stands in the magic of a binfmt_misc entry.
_MACHINES = {"linux/amd64": "3e00", "linux/arm64": "b700"}
_AT = slice(36, 40)  # hex digits of that field
_SECONDS = 60.0


def require(docker: Docker) -> None:
    """Where the kernel below the engine is this machine's and can be looked at: refuse what it cannot emulate.

    Raises:
        PlaceError: There is no emulator (cause ``emulator``).
        EngineError: The engine fails.
    """
    if docker.platform != docker.native and _visible(docker) and not emulates(docker.platform, FORMATS):
        raise absent(docker)


def tried(docker: Docker, image: str, ledger: Ledger) -> None:
    """Where it cannot be looked at (an engine elsewhere): start a program of an image that the engine has.

    Raises:
        PlaceError: It does not start (cause ``emulator``).
        EngineError: The engine fails.
    """
    if docker.platform == docker.native or _visible(docker):
        return
    body = {"Image": image, "Entrypoint": ["/bin/true"], "HostConfig": {"NetworkMode": "none"}}
    try:
        with noted.container(docker, ledger, "emulator", body) as container:
            docker.start(container)
            docker.wait(container, _SECONDS)
            code = docker.state(container).code
            said = b"".join(docker.logs(container)).decode("utf-8", "replace") if code else ""
    except EngineError as error:
        if "exec format error" not in error.what:
            raise
        raise absent(docker) from error
    if "exec format error" in said:
        raise absent(docker)


def emulates(platform: str, formats: Path) -> bool:
    """Whether binfmt_misc starts a platform's programs by an emulator that containers reach.

    That is one with the flag F: the kernel has opened it already, so that no container needs a copy of it
    (https://docs.kernel.org/admin-guide/binfmt-misc.html).
    """
    try:
        if (formats / "status").read_text("ascii").strip() != "enabled":
            return False
        known = [path for path in formats.iterdir() if path.name not in ("status", "register")]
        entries = [path.read_text("ascii", "replace") for path in known]
    except OSError:
        return False
    return any(_starts(entry, _MACHINES.get(platform, "")) for entry in entries)


def _starts(entry: str, machine: str) -> bool:
    lines = entry.splitlines()
    told = dict(line.split(" ", 1) for line in lines if " " in line)
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags:")), "")
    return (
        lines[:1] == ["enabled"]
        and "F" in flags
        and told.get("offset") == "0"
        and told.get("magic", "").startswith("7f454c46")
        and told["magic"][_AT] == machine
    )


def _visible(docker: Docker) -> bool:
    """Whether the formats that we see are those of the engine's kernel."""
    if not docker.endpoint.url.startswith("unix://") or not (FORMATS / "status").exists():
        return False
    return bool(docker.info().get("KernelVersion") == os.uname().release)


def absent(docker: Docker) -> PlaceError:
    """What is missing, and how it is had."""
    architecture = docker.platform.rpartition("/")[2]
    return PlaceError(
        f"the engine at {docker.endpoint} runs {docker.native}, and has no emulator for {docker.platform}",
        "install one on that machine: apt-get install qemu-user-static binfmt-support, or "
        f"docker run --privileged --rm tonistiigi/binfmt --install {architecture}",
        cause="emulator",
    )
