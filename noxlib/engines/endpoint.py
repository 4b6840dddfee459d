"""Which container engine: the endpoint, resolved as the docker command resolves it."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_SOCKET = "/var/run/docker.sock"
PODMAN_SOCKET = "/run/podman/podman.sock"


class Endpoint(msgspec.Struct, frozen=True):
    """Address of an engine, and where it was found: given to the SDK, the docker command and compose alike."""

    url: str  #: ``unix:///var/run/docker.sock``, ``tcp://host:2376``, ``ssh://user@host``
    origin: str  #: ``DOCKER_HOST``, ``context NAME``, ``default``
    tls: Optional[str] = None  #: folder of ca.pem, cert.pem and key.pem
    verify: bool = True  #: check the engine's certificate

    def __str__(self) -> str:
        return self.url

    def environment(self) -> dict[str, str]:
        """The variables that make the docker command talk to this endpoint (DOCKER_HOST outranks every context)."""
        variables = {"DOCKER_HOST": self.url}
        if self.tls is not None:
            variables["DOCKER_CERT_PATH"] = self.tls
            variables["DOCKER_TLS_VERIFY" if self.verify else "DOCKER_TLS"] = "1"
        return variables


def resolve_endpoint(environ: Mapping[str, str], home: Path) -> Endpoint:
    """Find the endpoint: DOCKER_HOST, DOCKER_CONTEXT, the active context, docker's socket, podman's sockets.

    The order is that of the docker command (cli/command/cli.go, ``resolveContextName``): DOCKER_HOST outranks contexts.

    Raises:
        EngineError: The context does not exist or cannot be read.
    """
    folder = Path(environ.get("DOCKER_CONFIG") or home / ".docker")
    host = environ.get("DOCKER_HOST")
    if host:
        return _from_host(host, environ, folder)
    context = environ.get("DOCKER_CONTEXT")
    origin = "DOCKER_CONTEXT"
    if not context:
        context = _active_context(folder)
        origin = str(folder / "config.json")
    if context and context != "default":
        return _from_context(context, origin, folder)
    return Endpoint(url=f"unix://{_socket(environ)}", origin="default")


def _from_host(host: str, environ: Mapping[str, str], folder: Path) -> Endpoint:
    verify = bool(environ.get("DOCKER_TLS_VERIFY"))
    if not verify and not environ.get("DOCKER_TLS"):
        return Endpoint(url=host, origin="DOCKER_HOST")
    return Endpoint(host, "DOCKER_HOST", environ.get("DOCKER_CERT_PATH") or str(folder), verify)


def _active_context(folder: Path) -> Optional[str]:
    name = _json(folder / "config.json").get("currentContext")
    return name if isinstance(name, str) else None


def _from_context(name: str, origin: str, folder: Path) -> Endpoint:
    key = hashlib.sha256(name.encode()).hexdigest()
    docker = _json(folder / "contexts" / "meta" / key / "meta.json").get("Endpoints", {}).get("docker", {})
    if not docker.get("Host"):
        raise EngineError(
            f"the docker context {name!r} (from {origin}) does not exist",
            "choose one of `docker context ls` by DOCKER_CONTEXT or `docker context use`",
        )
    tls = folder / "contexts" / "tls" / key / "docker"
    return Endpoint(
        docker["Host"], f"context {name}", str(tls) if tls.is_dir() else None, not docker.get("SkipTLSVerify", False)
    )


def _json(path: Path) -> Any:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict)
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError) as error:
        raise EngineError(
            f"cannot read {path}: {error}", "mend or remove that file; docker itself reads it too"
        ) from error


def _socket(environ: Mapping[str, str]) -> str:
    runtime = environ.get("XDG_RUNTIME_DIR")
    rootless = [f"{runtime}/podman/podman.sock"] if runtime else []
    for candidate in (DEFAULT_SOCKET, *rootless, PODMAN_SOCKET):
        if _is_socket(Path(candidate)):
            return candidate
    return DEFAULT_SOCKET


def _is_socket(path: Path) -> bool:
    try:
        return stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return False
