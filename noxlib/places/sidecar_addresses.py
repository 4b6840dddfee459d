"""Where the sidecars of services with faults are: for /etc/hosts of services and tests, and from this machine."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.errors import PlaceError
from noxlib.places import addresses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from noxlib.places.stack import Stack, Table

SETTINGS, TOKEN = "NOXLIB_FAULTS", "NOXLIB_FAULTS_TOKEN"  #: the variables that tell a sidecar all

Containers = dict[str, dict[str, Any]]  #: by service, as ``Compose.containers`` has them


def name_of(service: str) -> str:
    """The name of a service's sidecar in the compose project."""
    return f"noxlib-faults-{service}"


class Told(msgspec.Struct, frozen=True):
    """What a sidecar was told by its variables."""

    ports: tuple[int, ...]  #: of its service, before which there is a proxy, in the order of their numbers from 1
    control: int  #: the port at which it takes commands
    token: str  #: what it wants to be shown before it obeys


def told(about: Mapping[str, Any]) -> Told:
    """What the engine says of a sidecar's container."""
    pairs = (line.partition("=") for line in about["Config"]["Env"])
    variables = {name: value for name, _, value in pairs}
    settings = json.loads(variables[SETTINGS])
    return Told(tuple(map(int, settings["ends"])), int(settings["control"]), variables[TOKEN])


def hosts(services: Stack, containers: Containers) -> dict[str, list[str]]:
    """For ``/etc/hosts`` of each service that may speak to one with faults: ``NAME:ADDRESS``."""
    found = {}
    for name, service in services.services.items():
        joined = [_network(services, key) for key in service.get("networks") or {}]
        others = [other for other in services.sidecars if other != name]
        lines = [line for other in others for line in _lines(services, other, containers, joined, service)]
        if lines and not service.get("network_mode"):
            found[name] = lines
    return found


def tests_hosts(services: Stack, containers: Containers) -> tuple[str, ...]:
    """The same for the tests' container."""
    return tuple(
        f"{alias}:{address(services, name, containers)}"
        for name in services.sidecars
        for alias in _names(services, name)
    )


def address(services: Stack, name: str, containers: Containers) -> str:
    """Where the tests' container reaches a service's sidecar. Raises PlaceError where no network leads there."""
    about = containers[name_of(name)]
    joined = services.attachment.networks or about["NetworkSettings"]["Networks"]
    found = _address(about, joined)
    if found is None:
        raise PlaceError(
            f"{name} has faults, and no network in common with {services.runner}",
            f"give {services.runner} a network of {name}, or leave its faults out",
            cause="compose",
        )
    return found


def reached(services: Stack, containers: Containers) -> addresses.Addresses:
    """Where each service is reached from this machine: one with faults by its sidecar."""
    sidecars = {name_of(name): name for name in services.sidecars}
    own = {name: about for name, about in containers.items() if name not in sidecars}
    instead = {sidecars[name]: about for name, about in containers.items() if name in sidecars}
    found = addresses.on_machine({**own, **instead})
    for name, about in instead.items():
        found[name].pop(told(about).control, None)
    return found


def _lines(
    services: Stack, faulted: str, containers: Containers, joined: Iterable[str], client: Table
) -> Iterator[str]:
    at = _address(containers[name_of(faulted)], joined)
    links = (link.partition(":") for link in client.get("links") or ())
    linked = (alias for other, _, alias in links if other == faulted and alias)
    for alias in dict.fromkeys((*_names(services, faulted), *linked)) if at else ():
        yield f"{alias}:{at}"


def _names(services: Stack, name: str) -> tuple[str, ...]:
    """All names that a service has on its networks."""
    service = services.services[name]
    aliases = [alias for how in (service.get("networks") or {}).values() for alias in (how or {}).get("aliases") or ()]
    fixed = [service["container_name"]] if service.get("container_name") else []
    return tuple(dict.fromkeys((name, *aliases, *fixed)))


def _network(services: Stack, key: str) -> str:
    return str((services.networks.get(key) or {}).get("name", key))


def _address(about: Mapping[str, Any], networks: Iterable[str]) -> Optional[str]:
    """A container's address in the first of some networks that it has joined."""
    joined = about["NetworkSettings"].get("Networks") or {}
    found = (joined[network].get("IPAddress") for network in networks if network in joined)
    return next(filter(None, found), None)
