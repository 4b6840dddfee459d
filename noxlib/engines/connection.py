"""The connection to an engine, given up within 2 s where nobody listens."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.errors import EngineError

if TYPE_CHECKING:
    from noxlib.engines.endpoint import Endpoint

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 30.0  #: for one that listens on this machine to say its first word, however busy that is
CALL_SECONDS = 120.0  #: an engine under load may take long to create; for ever it may not
SSH_SECONDS = 15.0
_NONSENSE = (AttributeError, TypeError)  # of the SDK, for a number where docker's file has a table
FIRST_API = "1.41"  #: a placeholder until the engine has told its own


def connect(endpoint: Endpoint) -> tuple[Any, dict[str, Any]]:
    """The SDK's low-level client (its stubs know half of it, so it is Any), and what the engine tells of its version.

    Raises:
        EngineError: No engine answers.
    """
    _knock(endpoint)
    import docker  # noqa: PLC0415 - 0.1 s: only where an engine is used
    import requests  # noqa: PLC0415 - the SDK has loaded it

    for chatty in ("docker", "urllib3"):  # nox shows all that loggers say
        logging.getLogger(chatty).setLevel(logging.WARNING)
    refusals = (docker.errors.DockerException, requests.exceptions.RequestException, OSError)
    expected = (*refusals, ValueError, KeyError, *_NONSENSE)
    ssh = endpoint.url.startswith("ssh://")
    listens = endpoint.url.startswith("unix://")  # it was knocked at
    seconds = int(SSH_SECONDS if ssh else ANSWER_SECONDS if listens else CONNECT_SECONDS)
    try:
        # With version="auto" it would ask by itself, and leave its sockets open where nothing answers.
        api: Any = docker.APIClient(endpoint.url, FIRST_API, seconds, tls=_tls(endpoint) or False, use_ssh_client=ssh)
    except expected as error:
        raise _no_engine(endpoint, error) from error
    try:
        api.ping()
        api.timeout = int(CALL_SECONDS)  # podman asks other programs for their versions, one after the other
        version = dict(api.version(api_version=False))
        api._version = version["ApiVersion"]  # noqa: SLF001 - what "auto" does
    except expected as error:
        api.close()
        raise _no_engine(endpoint, error) from error
    return api, version


def _knock(endpoint: Endpoint) -> None:
    """See whether anybody listens at a socket of this machine, before 0.1 s goes into the SDK's import."""
    scheme, _, path = endpoint.url.partition("://")
    if scheme != "unix":
        return
    with socket.socket(socket.AF_UNIX) as knocking:
        knocking.settimeout(CONNECT_SECONDS)
        try:
            knocking.connect(path)
        except OSError as error:
            raise _no_engine(endpoint, error) from error


def _tls(endpoint: Endpoint) -> Any:
    if endpoint.tls is None:
        return None
    from docker.tls import TLSConfig  # noqa: PLC0415 - rarely needed

    folder = Path(endpoint.tls)
    pair = (str(folder / "cert.pem"), str(folder / "key.pem"))
    ca = folder / "ca.pem"
    return TLSConfig(
        client_cert=pair if Path(pair[0]).exists() else None,
        ca_cert=str(ca) if ca.exists() else None,
        verify=endpoint.verify,
    )


def _no_engine(endpoint: Endpoint, error: Exception) -> EngineError:
    """Nothing answered at an endpoint."""
    if isinstance(error, _NONSENSE):
        what = f"docker's config.json, or what the engine at {endpoint.url} answers, makes no sense: {error}"
        return EngineError(what, "mend that file, in ~/.docker or $DOCKER_CONFIG")
    where = f"no container engine answers at {endpoint.url} (from {endpoint.origin})"
    if isinstance(error, PermissionError) or "Permission denied" in str(error):
        return EngineError(
            f"{where}: permission denied",
            "join the group of the socket (`sudo usermod -aG docker $USER`), log in again",
        )
    return EngineError(
        where, "start docker or podman, or set DOCKER_HOST; unit tests run without one by NOXLIB_PLACE=venv"
    )
