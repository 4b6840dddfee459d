"""Mistakes of a compose file that show late, or beside another stack only: pure rules over what it says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Optional

import msgspec

from noxlib.places import mocks, stack, stack_known
from noxlib.places.stack import Table

if TYPE_CHECKING:
    from noxlib.places.stack_lines import Step

#: Variables that say where the program of an image listens, whatever ``ports`` says.
SURE = ("MOCKSERVER_SERVER_PORT", "PGPORT")
LISTENS = (*SURE, "PORT")
SCRIPTS = "/docker-entrypoint-initdb.d"  #: what is mounted below it decides no port
_ADDRESS = re.compile(r"(?<![\w.-])([a-zA-Z0-9][\w.-]*):(\d{2,5})(?!\d)")


class Mistake(msgspec.Struct, frozen=True):
    """One mistake, where it stands, and what mends it."""

    path: tuple[Step, ...]  #: keys and indices in the file
    what: str
    fix: str
    change: Optional[Table] = None  #: for an override of the file; None: only its author knows
    repeats: tuple[Step, ...] = ()  #: path of the part of the file whose values are in the change as well


class Reset(msgspec.Struct, frozen=True):
    """A value in an override that takes the place of the file's own instead of being added; None: takes it away."""

    value: Any = None


def mistakes(config: Table, project: str) -> Iterator[Mistake]:
    """All mistakes that the file alone shows.

    Args:
        config: What ``docker compose config`` says of services of every profile, with ``$`` for its ``$$``.
        project: Name of the compose project that it was asked with.
    """
    services: dict[str, Table] = config.get("services") or {}
    for name, service in services.items():
        for rule in RULES:
            yield from rule(name, service, services)
    yield from _fixed_names(config, project)


def _container_name(name: str, service: Table, _: dict[str, Table]) -> Iterator[Mistake]:
    fixed = service.get("container_name")
    if fixed:
        yield Mistake(
            ("services", name, "container_name"),
            f"{name} has the fixed container name {fixed!r}: a second stack cannot start beside it",
            f"leave container_name out: the others reach it as {name!r}",
            _of_service(name, container_name=Reset()),
        )


def _host_ports(name: str, service: Table, _: dict[str, Table]) -> Iterator[Mistake]:
    published = service.get("ports") or ()
    free = [{key: value for key, value in port.items() if key != "published"} for port in published]
    for number, port in enumerate(published):
        if str(port.get("published") or "0") != "0":
            address = port.get("host_ip", "127.0.0.1")
            yield Mistake(
                ("services", name, "ports", number),
                f"{name} takes the port {port['published']} of this machine: a second stack cannot start beside it",
                f'leave it out, "{address}::{port["target"]}": a free one is taken, and told',
                _of_service(name, ports=Reset(free)),
                repeats=("services", name, "ports"),
            )


def _bind_sources(name: str, service: Table, _: dict[str, Table]) -> Iterator[Mistake]:
    for number, volume in enumerate(service.get("volumes") or ()):
        source = volume.get("source")
        if volume.get("type") == "bind" and source and not Path(source).exists():
            yield Mistake(
                ("services", name, "volumes", number),
                f"{name} mounts {source}, which does not exist: the engine makes an empty folder of that name",
                "correct the path, or make the file",
            )


def _dependencies(name: str, service: Table, services: dict[str, Table]) -> Iterator[Mistake]:
    for other, how in (service.get("depends_on") or {}).items():
        if other not in services or how.get("condition") == "service_completed_successfully":
            continue
        asked, waits = stack.has_health(services[other]), how.get("condition") == "service_healthy"
        path: tuple[Step, ...] = ("services", name, "depends_on", other)
        healthy = _of_service(name, depends_on={other: {**how, "condition": "service_healthy"}})
        if asked and not waits:
            fix = "wait by condition: service_healthy"
            yield Mistake(path, f"{name} starts without waiting until {other} is healthy", fix, healthy)
        elif not asked and (waits or not stack.ports(services[other]) or stack_known.health(services[other])):
            yield _unasked(name, other, services[other], path, healthy)


def _unasked(name: str, other: str, service: Table, path: tuple[Step, ...], healthy: Table) -> Mistake:
    known = stack_known.health(service)
    change = merged(healthy, _of_service(other, healthcheck=known)) if known else None
    fix = f"give {other} one, asked often at first (start_interval)"
    return Mistake(path, f"{name} depends on {other}, which has no healthcheck", fix, change)


def _own_port(name: str, service: Table, _: dict[str, Table]) -> Iterator[Mistake]:
    variable = _deciding(service)
    listens = listening(service) if variable else ()
    published = service.get("ports") or ()
    if variable not in SURE and any(port["target"] in listens for port in published):
        return  # what else it publishes may be another listener of the same program
    for number, port in enumerate(published):
        if listens and port["target"] not in listens:
            yield Mistake(
                ("services", name, "ports", number),
                f"{name} listens at {_or(listens)} by {variable}, and publishes its port {port['target']}",
                f"publish {_or(listens)}, or correct {variable}",
            )


def _peers(name: str, service: Table, services: dict[str, Table]) -> Iterator[Mistake]:
    for variable, value in stack.environment(service).items():
        for host, port in _ADDRESS.findall(value):
            known = listening(services[host]) if host in services and host != name else ()
            if known and int(port) not in known and not _named(services[host], int(port)):
                right = value.replace(f"{host}:{port}", f"{host}:{known[0]}")
                path: tuple[Step, ...] = ("services", name, "environment", variable)
                yield Mistake(
                    path,
                    f"{name} looks for {host} at its port {port} by {variable}; {host} listens at {_or(known)}",
                    f"name the port {_or(known)}",
                    _of_service(name, environment={variable: right}) if len(known) == 1 else None,
                    repeats=path,
                )


def _expectations(name: str, service: Table, _: dict[str, Table]) -> Iterator[Mistake]:
    for what in mocks.problems(service):
        path: tuple[Step, ...] = ("services", name, "environment", mocks.EXPECTATIONS)
        yield Mistake(path, f"MockServer would refuse {what}", f"correct it: {name} starts without it")


def listening(service: Table) -> tuple[int, ...]:
    """The ports that a service listens at; none where the file does not decide that."""
    words = stack.environment(service).get(_deciding(service), "")
    numbers = tuple(int(word) for word in re.split(r"[\s,]+", words) if word.isdigit())
    known = stack_known.known(service)
    if numbers or known is None or _configured(service):
        return numbers
    return tuple(dict.fromkeys((known.port, *stack.ports(service))))


def _deciding(service: Table) -> str:
    """The variable that says where a service listens; empty: none. ``PGPORT`` is one of PostgreSQL's clients, too."""
    known, variables = stack_known.known(service), stack.environment(service)
    of_image = {"PGPORT": known is stack_known.KNOWN["postgres"], "PORT": known is None}
    return next((key for key in LISTENS if key in variables and of_image.get(key, True)), "")


def _configured(service: Table) -> bool:
    """Whether files are mounted that may say where the program listens; those of the HTTP services hold answers."""
    known = stack_known.known(service)
    if known and known.request:
        return False
    mounted = (one for one in service.get("volumes") or () if one.get("type") == "bind")
    return any(not str(one.get("target")).startswith(SCRIPTS) for one in (*mounted, *(service.get("configs") or ())))


def _named(service: Table, port: int) -> bool:
    """Whether anything of a service says that it may listen at a port as well."""
    if _deciding(service) in SURE:
        return False
    known = stack_known.known(service)
    said = json.dumps([service.get(key) for key in ("command", "entrypoint", "environment")])
    ports = (*stack.ports(service), *(known.more if known else ()))
    return port in ports or re.search(rf"(?<!\d){port}(?!\d)", said) is not None


def _fixed_names(config: Table, project: str) -> Iterator[Mistake]:
    for kind in ("volumes", "networks"):
        for key, table in ((key, given or {}) for key, given in (config.get(kind) or {}).items()):
            own = table.get("name", f"{project}_{key}")
            if own == f"{project}_{key}":
                continue
            rest = {name: value for name, value in table.items() if name not in ("external", "name")}
            shared = "is made outside" if table.get("external") else f"has the fixed name {own!r}"
            yield Mistake(
                (kind, key),
                f"the {kind[:-1]} {key} {shared}: every stack uses the same one, and none starts with it empty",
                "leave external and name out: each stack gets its own",
                {kind: {key: Reset(rest)}},
                repeats=(kind, key),
            )


def _or(ports: tuple[int, ...]) -> str:
    return " or ".join(map(str, ports))


def _of_service(name: str, **parts: Any) -> Table:
    return {"services": {name: parts}}


def merged(one: Table, other: Table) -> Table:
    """Two tables as one; where both have a value that is no table, the second one's."""
    tables = (key for key in one if isinstance(one[key], dict) and isinstance(other.get(key), dict))
    return {**one, **other, **{key: merged(one[key], other[key]) for key in tables}}


RULES: tuple[Callable[[str, Table, dict[str, Table]], Iterator[Mistake]], ...] = (
    _container_name,
    _host_ports,
    _bind_sources,
    _dependencies,
    _own_port,
    _peers,
    _expectations,
)
