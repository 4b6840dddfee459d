"""Where services are reached: by their names on their network, by ports of this machine from outside of it."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from noxlib.places import stack, stack_known

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.places.stack import Table

#: Of the variables that tell the tests: ``NOXLIB_SERVICE_POSTGRES_TEST_HOST``, ``…_PORT``, ``…_PORT_5432``.
PREFIX = "NOXLIB_SERVICE_"
LOOPBACK = "127.0.0.1"
#: Ports that a URL leaves out.
PORTS = {"http": 80, "https": 443, "postgres": 5432, "postgresql": 5432, "redis": 6379, "amqp": 5672, "mysql": 3306}
_HOST = re.compile(r"(?:HOST|HOSTNAME|SERVER|ADDRESS|ADDR)$")  # ends the name of a variable that holds a host

Ends = dict[int, tuple[str, int]]  #: a service's own port -> host and port where it is reached
Addresses = dict[str, Ends]  #: by the service's name


def ports(service: Table) -> tuple[int, ...]:
    """The ports that a service listens at: as its file says, else as its image is known to."""
    known = stack_known.known(service)
    return stack.ports(service) or ((known.port,) if known else ())


def on_network(services: Mapping[str, Table]) -> Addresses:
    """From a container beside the services."""
    return {name: {port: (name, port) for port in ports(service)} for name, service in services.items()}


def on_machine(containers: Mapping[str, Mapping[str, Any]]) -> Addresses:
    """From this machine, by what the engine says of each service's container."""
    return {name: _published(about) for name, about in containers.items()}


def _published(about: Mapping[str, Any]) -> Ends:
    bound = about["NetworkSettings"].get("Ports") or {}
    tcp = ((int(port.partition("/")[0]), binds) for port, binds in bound.items() if port.endswith("/tcp") and binds)
    return {port: (_reached(binds[0]["HostIp"]), int(binds[0]["HostPort"])) for port, binds in tcp}


def _reached(bound: str) -> str:
    """Where something listens that is bound to an address: all addresses have the loopback among them."""
    return LOOPBACK if bound in ("", "0.0.0.0", "::") else bound  # noqa: S104 - it is compared, nothing binds to it


def variables(addresses: Addresses) -> dict[str, str]:
    """The variables that tell the tests where each service is reached."""
    found: dict[str, str] = {}
    for name, ends in addresses.items():
        prefix = PREFIX + re.sub(r"[^A-Z0-9]+", "_", name.upper())
        for at, (port, (host, there)) in enumerate(ends.items()):
            first = {f"{prefix}_HOST": host, f"{prefix}_PORT": str(there)} if at == 0 else {}
            found.update(first, **{f"{prefix}_PORT_{port}": str(there)})
    return found


def rewritten(environment: Mapping[str, str], addresses: Addresses) -> dict[str, str]:
    """Variables made for a container beside the services, as they read from somewhere else.

    ``db:5432`` is replaced wherever it stands by itself, ``scheme://db`` where the scheme's own port is meant, and
    ``DB_HOST=db`` with the ``DB_PORT`` beside it. Where there is none it is added: who reads PGHOST alone would look at
    this machine's own 5432, where a developer's database may be.
    """
    moved = {name: _in_text(value, addresses) for name, value in environment.items()}
    for name, value in environment.items():
        beside, is_host = _HOST.subn("PORT", name)
        ends = addresses.get(value) if is_host else None
        if ends:
            moved[name] = next(iter(ends.values()))[0]
            port = environment.get(beside, str(next(iter(ends))))
            moved.update({beside: str(ends[int(port)][1])} if port.isdecimal() and int(port) in ends else {})
    return moved


def _in_text(text: str, addresses: Addresses) -> str:
    names = "|".join(re.escape(name) for name in sorted(addresses, key=len, reverse=True) if addresses[name])
    if not names:
        return text
    url = r"(?:(?P<scheme>\w+)(?:\+\w+)?://(?:[^\s/@]*@)?)?"
    pattern = rf"(?<![\w.-]){url}(?P<name>{names})(?::(?P<port>\d+))?(?![\w.:@-])"
    return re.sub(pattern, lambda found: _moved(found, addresses), text)


def _moved(found: re.Match[str], addresses: Addresses) -> str:
    ends = addresses[found["name"]]
    port = int(found["port"] or PORTS.get(found["scheme"] or "", 0))
    if port not in ends:
        return found[0]
    host, there = ends[port]
    start = found.start("name") - found.start()
    return f"{found[0][:start]}{host}:{there}"


def dotenv(environment: Mapping[str, str]) -> str:
    """Variables as a shell and the readers of ``.env`` files take them."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in sorted(environment.items()))
