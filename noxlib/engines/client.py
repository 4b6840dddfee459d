"""python-on-whales at one engine's endpoint: with TLS as docker has it, by a docker command that has the plugin."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.engines import process
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

    from noxlib.engines.endpoint import Endpoint

SECONDS = 60.0  #: for a docker command to tell of a plugin, however busy the machine is


def connect(endpoint: Endpoint, command: str, **options: Any) -> DockerClient:
    """A client for the endpoint; ``options`` are more of python-on-whales' own."""
    tls: dict[str, Any] = {} if endpoint.tls is None else {
        "tls": True,
        "tlsverify": endpoint.verify,
        "tlscacert": f"{endpoint.tls}/ca.pem",
        "tlscert": f"{endpoint.tls}/cert.pem",
        "tlskey": f"{endpoint.tls}/key.pem",
    }  # fmt: skip
    return _client(host=endpoint.url, client_call=[command], client_type="docker", **tls, **options)


def of_podman(call: list[str]) -> DockerClient:
    """A client by the command ``podman``, with the words that lead it to its endpoint."""
    return _client(client_call=call, client_type="podman")


def _client(**options: Any) -> DockerClient:
    import python_on_whales  # noqa: PLC0415 - 0.2 s: only where there is something to build or to start

    logging.getLogger("python_on_whales").setLevel(logging.WARNING)  # at INFO it logs every value
    return python_on_whales.DockerClient(**options)


def command(plugin: str, without: str, todo: str) -> str:
    """The docker command that has a plugin: a client without plugins may come first on PATH.

    Args:
        plugin: ``buildx``, ``compose``.
        without: What cannot be done without it, for the error.
        todo: How it is installed.

    Raises:
        EngineError: There is none.
    """
    try:
        return _find(plugin, tuple(os.get_exec_path()))
    except LookupError:
        raise EngineError(f"no docker command with {plugin} is on PATH, so {without}", todo) from None


@functools.cache
def _find(plugin: str, folders: tuple[str, ...]) -> str:
    """Raises LookupError, which is not remembered: a busy machine may have been too slow to answer."""
    for folder in dict.fromkeys(folders):
        candidate = Path(folder) / "docker"
        if candidate.is_file() and os.access(candidate, os.X_OK):
            with contextlib.suppress(EngineError):
                if process.run([str(candidate), plugin, "version"], timeout=SECONDS).returncode == 0:
                    return str(candidate)
    raise LookupError(plugin)
