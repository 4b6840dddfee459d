"""What a network does to a connection, as data; and when, where that changes by a schedule. Pure."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping
from typing import Any, Union

PACKET = 1460  # bytes of TCP data in an Ethernet frame
STALL = 0.2  # seconds until a lost packet is sent again: the least that Linux waits, TCP_RTO_MIN
CUTS = ("reset", "close")
_MASK = (1 << 64) - 1


def is_number(value: Any) -> bool:
    """Whether it is a finite number, and no truth value."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


@dataclasses.dataclass(frozen=True)
class Faults:
    """Times are in seconds, rates in bytes a second; zero, None and False are a network without that fault.

    Raises ValueError where a value makes no sense.
    """

    latency: float = 0.0  #: of a round trip: half of it on each way
    jitter: float = 0.0  #: by how much a round trip is longer or shorter, at most
    bandwidth: float = 0.0  #: of each way, shared by all connections
    loss: float = 0.0  #: share of the packets that come STALL and a round trip late
    cut_at: int | None = None  #: the answer's byte after which a connection ends
    cut_by: str = "reset"  #: how: ``reset``, or ``close`` as if the answer were whole
    slow_close: float = 0.0  #: by how much the end of a stream comes late
    drop: float = 0.0  #: share of the connections that are reset as soon as they are made
    refuse: bool = False  #: nobody listens; connections that there are end
    dns: bool = False  #: the host's name cannot be looked up

    def __post_init__(self) -> None:
        for name in ("latency", "jitter", "bandwidth", "loss", "slow_close", "drop"):
            value = getattr(self, name)
            if not is_number(value) or value < 0:
                raise ValueError(f"{name} must be a number of 0 or more, found {value!r}")
        for name in ("loss", "drop"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is a share from 0 to 1, found {getattr(self, name)!r}")
        if self.cut_at is not None and (type(self.cut_at) is not int or self.cut_at < 0):
            raise ValueError(f"cut_at must be a whole number of bytes, found {self.cut_at!r}")
        if self.cut_by not in CUTS:
            raise ValueError(f"cut_by is {' or '.join(CUTS)}, found {self.cut_by!r}")
        for name in ("refuse", "dns"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name} is True or False, found {getattr(self, name)!r}")  # noqa: TRY004 - as all that makes no sense


#: A name of PROFILES, a table of values, faults; or pairs of seconds and one of these, which take turns for ever.
Given = Union[str, Mapping[str, Any], Faults, Iterable[tuple[float, Union[str, Mapping[str, Any], Faults]]]]

PROFILES: dict[str, Faults] = {
    "good": Faults(),
    "hpc_login": Faults(latency=0.02, jitter=0.005, bandwidth=12.5e6),
    "wan": Faults(latency=0.12, jitter=0.02, bandwidth=2.5e6, loss=0.001),
    "flaky": Faults(latency=0.08, jitter=0.04, bandwidth=1.25e6, loss=0.01, slow_close=0.1, drop=0.1),
    "down": Faults(refuse=True, dns=True),
}


@dataclasses.dataclass(frozen=True)
class Schedule:
    """Faults that take turns, each for its seconds; for ever where there is one."""

    turns: tuple[tuple[float, Faults], ...] = ((math.inf, Faults()),)

    def at(self, seconds: float) -> tuple[Faults, float]:
        """The faults that hold so many seconds after the beginning, and how long they still do."""
        if len(self.turns) == 1:
            return self.turns[0][1], math.inf
        left = max(0.0, seconds) % sum(length for length, _ in self.turns)
        for length, faults in self.turns:
            if left < length:
                return faults, length - left
            left -= length
        return self.turns[0][1], self.turns[0][0]  # the rounding of the sum

    def to_json(self) -> list[Any]:
        return [[None if math.isinf(length) else length, dataclasses.asdict(faults)] for length, faults in self.turns]


def schedule(given: Given, **values: Any) -> Schedule:
    """A schedule from what a test says; ``values`` replace fields of each of its turns.

    Raises ValueError for an unknown profile or field and for values that make no sense.
    """
    if isinstance(given, (str, Mapping, Faults)):
        return Schedule(((math.inf, _faults(given, values)),))
    try:
        pairs = [(length, faults) for length, faults in given]
    except (TypeError, ValueError):
        raise ValueError(f"expected a profile, faults, or pairs of seconds and one of these, found {given!r}") from None
    turns = tuple((_length(length), _faults(faults, values)) for length, faults in pairs)
    if not turns:
        raise ValueError("a schedule needs at least one turn of (seconds, faults)")
    return Schedule(turns)


def from_json(turns: Iterable[Any]) -> Schedule:
    """The schedule that ``Schedule.to_json`` wrote."""
    return Schedule(tuple((math.inf if length is None else length, Faults(**faults)) for length, faults in turns))


def fraction(*numbers: int) -> float:
    """A number from 0 to below 1 that looks random and is the same for the same whole numbers.

    (The finalizer of splitmix64, Steele, Lea and Flood 2014, once a number.)
    """
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        state ^= state >> 31
    return (state >> 11) / (1 << 53)


def gap(loss: float, chance: float) -> int:
    """Bytes from one lost packet to the next, whose number is distributed geometrically.

    Args:
        loss: Share of the packets that are lost, above 0.
        chance: From 0 to below 1.
    """
    if loss >= 1:
        return PACKET
    return PACKET * (1 + int(math.log1p(-chance) / math.log1p(-loss)))


def _faults(given: Any, values: Mapping[str, Any]) -> Faults:
    if isinstance(given, str):
        name = given.replace("-", "_")
        if name not in PROFILES:
            raise ValueError(f"there is no network {given!r}; there are {', '.join(PROFILES)}")
        given = PROFILES[name]
    if not isinstance(given, (Faults, Mapping)):
        raise ValueError(f"expected a profile or faults, found {given!r}")  # noqa: TRY004
    found = dataclasses.asdict(given) if isinstance(given, Faults) else dict(given)
    fields = {field.name for field in dataclasses.fields(Faults)}
    for name in (*found, *values):
        if name not in fields:
            raise ValueError(f"there is no fault {name!r}; there are {', '.join(sorted(fields))}")
    return Faults(**{**found, **values})


def _length(given: Any) -> float:
    if not is_number(given) or given <= 0:
        raise ValueError(f"a turn of a schedule takes a number of seconds above zero, found {given!r}")
    return float(given)
