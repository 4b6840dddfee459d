"""What a container of ours looks like: the body of the engine's create call, as pure data."""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.owner import identity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.places.host import Command
    from noxlib.plan import Limits

PYTHON = "/opt/testground/bin/python"  #: the testground's interpreter, unless its image says another
WORKSPACE = "/workspace"
HOME = "/home/noxlib"
SITE = "/opt/noxlib/site"
LIB = "/opt/noxlib/lib"
RUN = "/opt/noxlib/run"
CA = "/opt/noxlib/ca"
CA_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
LABEL = "io.noxlib."
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: stdout and stderr are two pipes to the engine, which loses their order: join them before they leave.
MERGED = ("/bin/sh", "-c", 'exec "$@" 2>&1', "sh")


class Bind(msgspec.Struct, frozen=True):
    """A path of this machine in the container."""

    source: str
    target: str
    read_only: bool = True

    @property
    def path(self) -> Path:
        return Path(self.source)

    def mount(self) -> dict[str, Any]:
        return {"Type": "bind", "Source": self.source, "Target": self.target, "ReadOnly": self.read_only}


class Attachment(msgspec.Struct, frozen=True):
    """What a container gets beside what is ours: the networks, variables and volumes of the stack that it joins."""

    networks: dict[str, tuple[str, ...]] = {}  #: the engine's name of a network -> the container's own names in it
    environment: dict[str, str] = {}
    mounts: tuple[dict[str, Any], ...] = ()
    host: dict[str, Any] = {}  #: more of the engine's HostConfig: ExtraHosts, Dns, CapAdd

    def join(self, body: dict[str, Any]) -> dict[str, Any]:
        """A container's description with all that."""
        host = body["HostConfig"]
        joined = {**host, **self.host, "Mounts": [*host.get("Mounts", ()), *self.mounts]}
        if "ExtraHosts" in host:  # the first line of a name counts
            joined["ExtraHosts"] = [*host["ExtraHosts"], *self.host.get("ExtraHosts", ())]
        if not self.networks:
            return {**body, "HostConfig": joined}
        ends = {name: {"Aliases": list(aliases)} for name, aliases in self.networks.items()}
        joined["NetworkMode"] = next(iter(self.networks))
        return {**body, "HostConfig": joined, "NetworkingConfig": {"EndpointsConfig": ends}}


ALONE = Attachment()


def labels(run: str, project: str) -> dict[str, str]:
    """What everything bears that a run starts in an engine: whose it is, as the ledger has it too."""
    owner = identity()
    values = {"run": run, "pid": str(owner.pid), "boot": owner.boot, "start": owner.start, "project": project}
    return {LABEL + key: value for key, value in values.items()}


def safe(run: str) -> str:
    """A run's name, which may hold anything, as a part of a file's or a container's."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", run)[:80]


def name_of(run: str, token: str) -> str:
    """A container's name: engines take ``[a-zA-Z0-9][a-zA-Z0-9_.-]+``."""
    return f"noxlib-{safe(run)}-{token}"


def user_name(uid: int) -> str:
    """The caller's name as USER may be: tests read it, shells expand it."""
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = "noxlib"
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name) or "noxlib"


def environment(image: Mapping[str, str], uid: int) -> dict[str, str]:
    """The variables that every container gets; each absent one changed the counts of a real project."""
    user = user_name(uid)
    return {
        "PATH": f"{SITE}/bin:{image.get('PATH') or DEFAULT_PATH}",
        "HOME": HOME,
        "USER": user,
        "LOGNAME": user,
        "LANG": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


def ca_bundles(environ: Mapping[str, str]) -> dict[str, str]:
    """The CA bundles of this machine that its own variables name: variable -> file."""
    found = {name: environ.get(name, "") for name in CA_VARIABLES}
    return {name: os.path.realpath(path) for name, path in found.items() if path and Path(path).is_file()}


def ca_binds(bundles: Mapping[str, str]) -> tuple[dict[str, Bind], dict[str, str]]:
    """Binds by file, and the variables as they read in the container."""
    files = {source: f"{CA}/{at}.pem" for at, source in enumerate(sorted(set(bundles.values())))}
    return (
        {source: Bind(source, target) for source, target in files.items()},
        {name: files[source] for name, source in bundles.items()},
    )


def body(  # one call, one table
    command: Command,
    *,
    image: str,
    environment: Mapping[str, str],
    user: str,
    labels: Mapping[str, str],
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    """The engine API's description of the container that runs a command ("ContainerCreate", API 1.41 and later).

    An image's own ENTRYPOINT and HEALTHCHECK are left out: the command is what runs, whatever the image is made for.
    """
    terminal = command.terminal
    return {
        "Image": image,
        "Entrypoint": [command.argv[0]] if terminal else list(MERGED),
        "Cmd": list(command.argv[1:] if terminal else command.argv),
        "Env": [f"{key}={value}" for key, value in {**environment, **command.environment}.items()],
        "User": user,
        "WorkingDir": command.cwd or WORKSPACE,
        "Labels": dict(labels),
        "Healthcheck": {"Test": ["NONE"]},
        "Tty": terminal,
        "OpenStdin": terminal,
        "StdinOnce": terminal,
        "AttachStdin": terminal,
        "AttachStdout": True,
        "AttachStderr": True,
        "HostConfig": {
            "Init": True,
            "Mounts": mounts,
            "Tmpfs": {HOME: "rw,exec,nosuid,nodev,mode=1777"},
            **({"ExtraHosts": list(command.hosts)} if command.hosts else {}),
            "LogConfig": {"Type": "none", "Config": {}},  # the run's own log file has it; 50 MB need not be kept twice
            **_limits(command.limits),
        },
    }


def _limits(limits: Limits) -> dict[str, Any]:
    wanted: dict[str, Optional[Any]] = {
        "Memory": limits.memory,
        "MemorySwap": limits.memory,  # equal: no swap on top, or an eater would swap for minutes before it is stopped
        "NanoCpus": None if limits.cpus is None else int(limits.cpus * 1e9),
        "ShmSize": limits.shm_size,
        "NetworkMode": None if limits.network else "none",
        "Devices": [_device(name) for name in limits.devices] or None,
    }
    return {key: value for key, value in wanted.items() if value is not None}


def _device(name: str) -> dict[str, str]:
    source, _, rest = name.partition(":")
    target, _, permissions = rest.partition(":")
    return {"PathOnHost": source, "PathInContainer": target or source, "CgroupPermissions": permissions or "rwm"}
