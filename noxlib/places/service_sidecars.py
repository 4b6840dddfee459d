"""A container of ours before a service with faults: to all others of the stack, and to the tests, it is the service.

The service stays where it is, under its own names, so that it reaches the others, is asked for its health, killed and
started again as without faults. The others have its names in their ``/etc/hosts``, with the sidecar's address. That is
known once the sidecar runs; so the sidecars are started first. What goes on in one is ``inside/proxy_sidecar.py``.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import compose as engine
from noxlib.engines.imageinfo import tcp_ports
from noxlib.errors import PlaceError
from noxlib.places import addresses, box, readiness, sidecar_addresses, stack_override
from noxlib.places.files import INSIDE
from noxlib.places.sidecar_addresses import SETTINGS, TOKEN, name_of
from noxlib.places.stack_lint import Reset, merged

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxlib.engines.compose import Compose
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.places.stack import Stack, Table

MODULES = ("__init__", "faults", "proxy", "proxy_connection", "proxy_process", "proxy_sidecar")  #: of ``inside``
READY = b"ready"  #: what it prints once it listens
CONTROL = 47100  #: where it takes commands
PROGRAM = f"import sys; sys.path.insert(0, {box.LIB!r}); from noxlib_inside.proxy_sidecar import main; main()"
ANYWHERE = "0.0.0.0"  # noqa: S104 - in a container, on the stack's networks


def added(services: Stack, faulted: Mapping[str, Optional[ImageInfo]], python: str, *, publish: bool) -> Stack:
    """The stack with a sidecar before each of some services.

    Args:
        services: The stack, with all else that it gets.
        faulted: The services, and their images as far as they are here.
        python: An image that has ``python``.
        publish: The sidecars are commanded from this machine.

    Raises:
        PlaceError: nothing can be put before one.
    """
    for name, image in faulted.items():
        service = services.services[name]
        mode = service.get("network_mode")
        if mode:
            what = f"{name} has network_mode: {mode}, and so no name of its own that a proxy could stand for"
            raise PlaceError(what, f"give {name} networks, or leave its faults out", cause="compose")
        listens = tuple(dict.fromkeys((*addresses.ports(service), *(image.ports if image else ()))))
        sidecar = _sidecar(name, service, listens, python, publish=publish)
        services = _moved(services, name)
        services = msgspec.structs.replace(services, sidecars={**services.sidecars, name: sidecar})
    return services


def _sidecar(name: str, service: Table, listens: tuple[int, ...], python: str, *, publish: bool) -> Table:
    commanded = {"target": CONTROL, "protocol": "tcp", "host_ip": addresses.LOOPBACK}
    return {
        "image": python,
        "entrypoint": ["python", "-I", "-S", "-c", PROGRAM],
        "command": [],
        "init": True,
        "environment": {SETTINGS: _settings(name, listens), TOKEN: None},  # without a value: compose's own
        "configs": [{"source": f"noxlib-{one}", "target": f"{box.LIB}/noxlib_inside/{one}.py"} for one in _sources()],
        "expose": [str(CONTROL)],
        "ports": [*filter(_is_tcp, service.get("ports") or ()), *([commanded] if publish else [])],
        **({"networks": dict.fromkeys(service["networks"])} if service.get("networks") else {}),
    }


def _settings(name: str, listens: tuple[int, ...]) -> str:
    settings = {
        "listen": ANYWHERE,
        "ends": {str(port): [name, port] for port in listens if port != CONTROL},
        "control": CONTROL,
        "sources": hashlib.sha256("".join(_sources().values()).encode()).hexdigest()[:12],
    }
    return json.dumps(settings)


def override(services: Stack, labels: Mapping[str, str], lines: Mapping[str, list[str]]) -> Table:
    """What ``Stack.override`` gives, with the sidecars, and with lines for ``/etc/hosts`` of services.

    What the sidecars run stands in it as text: an engine elsewhere does not see our files.
    """
    found = services.override(labels)
    if not services.sidecars:
        return found
    own = {
        name: {**one, **({"extra_hosts": lines[name]} if name in lines else {})}
        for name, one in found["services"].items()
    }
    sidecars = {name_of(name): {**one, "labels": dict(labels)} for name, one in services.sidecars.items()}
    configs = {f"noxlib-{one}": {"content": text} for one, text in _sources().items()}
    return {**found, "services": {**own, **sidecars}, "configs": configs}


def _sources() -> dict[str, str]:
    return {module: (INSIDE / f"{module}.py").read_text(encoding="utf-8") for module in MODULES}


def _is_tcp(port: Table) -> bool:
    return bool(port.get("protocol", "tcp") == "tcp")


def _moved(services: Stack, name: str) -> Stack:
    """The stack with a service that leaves the ports of this machine that it has by number to its sidecar."""
    ports = services.services[name].get("ports") or []
    if all(str(port.get("published") or "0") == "0" for port in filter(_is_tcp, ports)):
        return services
    freed = [{key: port[key] for key in port if key != "published" or not _is_tcp(port)} for port in ports]
    return msgspec.structs.replace(
        services,
        services={**services.services, name: {**services.services[name], "ports": freed}},
        additions={**services.additions, name: {**services.additions.get(name, {}), "ports": Reset(freed)}},
    )


def lay(compose: Compose, services: Stack, labels: Mapping[str, str], file: Path, log: Path, *, build: bool) -> None:
    """Write the override of a stack, sidecars started before it is whole: it tells the services where those are.

    Raises:
        PlaceError: one cannot be started, or there is nothing that it could be put before.
        EngineError: the engine fails.
    """

    def write(stack: Stack, hosts: Mapping[str, list[str]]) -> None:
        file.write_text(stack_override.dumped(override(stack, labels, hosts)), encoding="utf-8")

    write(services, {})
    if services.sidecars:
        whole = _with_ports(compose, services, log, build=build)
        write(whole, {})
        start(compose, whole, log)
        write(whole, sidecar_addresses.hosts(whole, compose.containers()))


def _with_ports(compose: Compose, services: Stack, log: Path, *, build: bool) -> Stack:
    """The stack with proxies before what images alone tell: where those were not here, they are pulled or built now."""
    unknown = [
        name for name in services.sidecars if not json.loads(services.sidecars[name]["environment"][SETTINGS])["ends"]
    ]
    if not unknown:
        return services
    with compose.up(unknown, log, build=build, start=False, secrets=services.secrets) as making:
        while making.poll() is None:
            time.sleep(readiness.PAUSE)
        if making.poll():
            raise engine.refusal(log)
    containers = compose.containers()
    listens = {name: tcp_ports(containers[name]["Config"]) for name in unknown}
    for name in unknown:
        if not listens[name]:
            raise PlaceError(
                f"no port of {name} is known, so there is nothing that a proxy could be put before",
                f"name it in the compose file: expose, below {name}",
                cause="compose",
            )
    told = {name: {"environment": {SETTINGS: _settings(name, ports)}} for name, ports in listens.items()}
    return msgspec.structs.replace(services, sidecars=merged(services.sidecars, told))


def start(compose: Compose, services: Stack, log: Path) -> None:
    """Start the sidecars, or leave them as they are where they are up; they listen when this returns.

    Raises:
        PlaceError: one cannot be started.
        EngineError: the engine fails.
    """
    tables = {name_of(name): table for name, table in services.sidecars.items()}
    former = (sidecar_addresses.told(about) for name, about in compose.containers().items() if name in tables)
    variables = {TOKEN: next((told.token for told in former), None) or secrets.token_urlsafe()}

    def listening() -> frozenset[str]:
        found = {name: about["Id"] for name, about in compose.containers().items() if name in tables}
        return frozenset(name for name, one in found.items() if READY in b"".join(compose.docker.logs(one)))

    own = msgspec.structs.replace(services, services=tables)
    with compose.up(tuple(tables), log, build=False, variables=variables, secrets=services.secrets) as starting:
        readiness.Waiting(compose, own, listening, log).follow(starting)
