"""What a stack gets beside what its file says: checks asked often at first, ports of this machine. Pure."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.places import addresses, stack_known
from noxlib.places.stack import has_health
from noxlib.places.stack_lint import Reset, merged

if TYPE_CHECKING:
    from noxlib.places.stack import Stack, Table

INTERVAL = "30s"  # compose's own
OFTEN_SECONDS = 0.25  #: between two looks of the engine at a service that is not healthy yet
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


class Wanted(msgspec.Struct, frozen=True):
    """What a stack is to get."""

    asks: bool = True  #: the engine carries healthchecks out by itself, as docker does and podman does not
    often: bool = True  #: the engine knows ``start_interval`` (25 and later)
    publish: bool = False  #: every port is reached from this machine
    fixed: bool = False  #: at the service's own port and one, where the file names none
    asked: frozenset[str] = frozenset()  #: services whose image has a healthcheck of its own


def added(stack: Stack, wanted: Wanted) -> Stack:
    """The stack with what it gets; ``Stack.additions`` has that alone, for an override of its file."""
    additions = {
        name: merged(stack.additions.get(name, {}), _of(service, wanted, asked=name in wanted.asked))
        for name, service in stack.services.items()
    }
    services = {name: merged(service, _plain(additions[name])) for name, service in stack.services.items()}
    return msgspec.structs.replace(stack, services=services, additions=additions)


def _of(service: Table, wanted: Wanted, *, asked: bool) -> Table:
    parts = {"healthcheck": _health(service, wanted, asked=asked), "ports": _ports(service, wanted)}
    return {key: value for key, value in parts.items() if value}


def _health(service: Table, wanted: Wanted, *, asked: bool) -> Optional[Table] | Reset:
    check = service.get("healthcheck") or {}
    if has_health(service):
        return (_asked_often(check) if wanted.often else None) if wanted.asks else _asked_by_us(check)
    known = stack_known.health(service)
    if asked or check or not known:  # one that is disabled stays so
        return None
    if not wanted.asks:
        return _asked_by_us(known)
    if wanted.often:
        return merged(known, _asked_often(known))
    return {key: value for key, value in {**known, "interval": "1s"}.items() if key != "start_interval"}


def _asked_often(check: Table) -> Table:
    """``start_interval`` counts in the ``start_period`` alone: that becomes as long as the file lets it fail anyway."""
    interval = seconds(check.get("interval") or INTERVAL)
    if interval <= OFTEN_SECONDS or seconds(check.get("start_interval") or "1h") <= OFTEN_SECONDS:
        return {}
    return {"start_interval": f"{OFTEN_SECONDS * 1000:.0f}ms", "start_period": _patience(check)}


def _asked_by_us(check: Table) -> Reset:
    """For podman: by docker's interface it splits words at blanks, but those of a shell, and has no start_interval."""
    form, *words = check["test"]
    test = ["CMD-SHELL", shlex.join(words)] if form == "CMD" else check["test"]
    kept = {key: value for key, value in check.items() if key != "start_interval"}
    return Reset({**kept, "test": test, "start_period": _patience(check)})


def _patience(check: Table) -> str:
    """How long a file lets a service fail before it is unhealthy."""
    failing = seconds(check.get("interval") or INTERVAL) * int(check.get("retries") or 3)
    return f"{max(failing, seconds(check.get('start_period') or '0s')):g}s"


def seconds(duration: str) -> float:
    """A duration as compose has it: ``1m30s``, ``500ms``."""
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"([\d.]+)(h|ms|us|µs|ns|m|s)", duration))


def _ports(service: Table, wanted: Wanted) -> Optional[list[Table]] | Reset:
    declared = service.get("ports") or []
    if service.get("network_mode"):  # it has no ports of its own
        return None
    open_ = [port for port in declared if str(port.get("published") or "0") == "0"]
    if wanted.fixed and open_:
        return Reset([{**port, "published": str(port["target"] + 1)} if port in open_ else port for port in declared])
    unpublished = addresses.ports(service) if wanted.publish and not declared else ()
    return [_published(port, fixed=wanted.fixed) for port in unpublished]


def _published(port: int, *, fixed: bool) -> Table:
    at = {"published": str(port + 1)} if fixed else {}
    return {"target": port, "protocol": "tcp", "host_ip": addresses.LOOPBACK, **at}


def _plain(additions: Table) -> Table:
    """Additions as a file would have them that needed no override."""
    return {key: value.value if isinstance(value, Reset) else value for key, value in additions.items()}
