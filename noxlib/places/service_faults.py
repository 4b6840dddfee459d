"""``--fault SERVICE:FAULTS``: what the network between the tests and a service does to it. Pure.

The faults are those of ``inside/faults.py``, in the words of a command line.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import Any, Callable

import msgspec

from noxlib.errors import UsageError

PROFILES = ("good", "hpc_login", "wan", "flaky", "down")  #: those of ``inside/faults.py``
NEVER = 86400.0  #: seconds of a round trip, where nothing ever comes
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "": 1.0}
_RATES = {"bit": 1 / 8, "kbit": 1e3 / 8, "mbit": 1e6 / 8, "gbit": 1e9 / 8}  # bytes a second; as tc(8) has them
_SHARES = {"%": 0.01, "": 1.0}
_BYTES = {"": 1.0, "b": 1.0, "kb": 1e3, "mb": 1e6}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?)([a-z%]*)")


class Fault(msgspec.Struct, frozen=True):
    """The faults of one service: a profile, and values that take the place of its own."""

    service: str
    profile: str = "good"
    values: dict[str, Any] = {}
    asked: str = ""  #: in the user's own words


def parse(texts: Iterable[str], services: Collection[str]) -> tuple[Fault, ...]:
    """The faults of a command line or a configuration; of two for one service the later one holds.

    Args:
        texts: ``db:latency=200ms,jitter=20ms``, ``db:wan``, ``db`` for a network without a fault.
        services: Those that there are.

    Raises:
        UsageError: there is no such service or fault, or a value makes no sense.
    """
    found = {fault.service: fault for fault in map(_parse, texts)}
    for name in found:
        if name not in services:
            near = difflib.get_close_matches(name, services, 1, 0)
            meant = f"; did you mean {near[0]}?" if near else ""
            raise UsageError(f"faults: there is no service {name!r}{meant}", f"there are {', '.join(sorted(services))}")
    return tuple(found.values())


def _parse(text: str) -> Fault:
    service, _, rest = text.partition(":")
    profile, values = "good", {}
    for word in filter(None, rest.split(",")):
        name, _, value = word.strip().partition("=")
        key = name.replace("-", "_")
        if key in PROFILES and not value:
            profile = key
        elif key in KINDS:
            values.update(KINDS[key](text, value))
        else:
            known = tuple(dict.fromkeys((*KINDS, *PROFILES)))
            near = difflib.get_close_matches(key, known, 1, 0.4)
            hint = f"did you mean {near[0]}? " if near else ""
            raise UsageError(f"the fault {text!r}: there is no fault {name!r}", f"{hint}there are {', '.join(known)}")
    return Fault(service.strip(), profile, values, rest or "none")


def _measured(field: str, units: dict[str, float], example: str) -> Callable[[str, str], dict[str, Any]]:
    """A reader of a number with its unit."""

    def read(text: str, value: str) -> dict[str, Any]:
        found = _NUMBER.fullmatch(value.lower())
        if not found or found[2] not in units:
            raise UsageError(f"the fault {text!r}: {value!r} is no value for {field}", f"give one as {example}")
        number = float(found[1]) * units[found[2]]
        if units is _RATES and not number:
            raise UsageError(f"the fault {text!r}: nothing ever comes at {value!r}", "that is called timeout")
        if units is _SHARES and number > 1:
            raise UsageError(f"the fault {text!r}: {value!r} is more than all of it", f"give one as {example}")
        return {field: int(number) if units is _BYTES else number}

    return read


def _plain(**values: Any) -> Callable[[str, str], dict[str, Any]]:
    """A reader of a fault that takes no value."""

    def read(text: str, value: str) -> dict[str, Any]:
        if value:
            raise UsageError(f"the fault {text!r}: it takes no value, found {value!r}", "leave it out")
        return values

    return read


def _cut(text: str, value: str) -> dict[str, Any]:
    """After so many bytes of the answer; without a value before the first one."""
    return _measured("cut_at", _BYTES, "cut=1000 or cut=64kb")(text, value or "0")


KINDS: dict[str, Callable[[str, str], dict[str, Any]]] = {
    "latency": _measured("latency", _SECONDS, "200ms or 2s"),
    "jitter": _measured("jitter", _SECONDS, "20ms"),
    "bandwidth": _measured("bandwidth", _RATES, "1mbit or 500kbit"),
    "loss": _measured("loss", _SHARES, "1% or 0.01"),
    "drop": _measured("drop", _SHARES, "10% or 0.1"),
    "slow_close": _measured("slow_close", _SECONDS, "500ms"),
    "cut": _cut,
    "timeout": _plain(latency=NEVER),
    "down": _plain(refuse=True),
}
