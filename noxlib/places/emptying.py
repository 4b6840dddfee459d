"""A stack that is up already, as if it had just been started: what can be emptied is, all else is made anew."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.engines import compose as engine
from noxlib.places import mocks, sidecar_addresses

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from noxlib.engines.compose import Compose
    from noxlib.places.addresses import Addresses
    from noxlib.places.stack import Stack

SECONDS = 10.0  #: for a MockServer to answer


def renew(compose: Compose, stack: Stack, reached: Addresses, resettable: Collection[str]) -> None:
    """Empty the MockServers; remove every other service that is not ``resettable``, and its volumes; sidecars stay.

    One that a test left paused can neither be emptied nor started: its container goes, its data stay.

    Raises:
        EngineError: the engine fails.
    """
    emptied = {name for name, port in mocks.servers(stack.services).items() if _emptied(stack, reached, name, port)}
    stay = {*resettable, *emptied, *map(sidecar_addresses.name_of, stack.sidecars)}
    containers = [
        about for name, about in compose.containers().items() if name not in stay or about["State"].get("Paused")
    ]
    engine.remove_containers(compose.docker, containers)
    used = {source for name in stay for source in _volumes(stack.services.get(name, {}))}
    for key, volume in stack.volumes.items():
        if key not in used and not (volume or {}).get("external"):
            compose.docker.remove_volume(str((volume or {}).get("name", key)))


def _emptied(stack: Stack, reached: Addresses, name: str, port: int) -> bool:
    """Whether a MockServer has its files' expectations again and no others, and no requests."""
    end = reached.get(name, {}).get(port)
    service = stack.services[name]
    files = mocks.files(service)
    if end is None or (not files and mocks.EXPECTATIONS in (service.get("environment") or {})):
        return False
    try:
        reload_mock_server(*end, files)
    except (OSError, ValueError, HTTPException):  # it is down, busy, or refuses a file: then it is made anew
        return False
    return True


def reload_mock_server(host: str, port: int, files: Iterable[Path]) -> None:
    """Forget all, then read the files again (https://www.mock-server.com, "clearing and resetting").

    Raises:
        OSError: it does not answer, or refuses.
        ValueError: a file is no JSON.
        HTTPException: what answers there speaks no HTTP.
    """
    _put(host, port, "reset", None)
    for file in files:
        _put(host, port, "expectation", json.loads(file.read_text(encoding="utf-8")))


def _put(host: str, port: int, path: str, body: Any) -> None:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(f"http://{host}:{port}/mockserver/{path}", data, method="PUT")
    # A proxy of the caller's environment does not know this machine's ports.
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=SECONDS):
        pass


def _volumes(service: Mapping[str, Any]) -> tuple[str, ...]:
    named = (volume for volume in service.get("volumes") or () if volume.get("type") == "volume")
    return tuple(str(volume["source"]) for volume in named if volume.get("source"))
