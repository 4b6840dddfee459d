"""The file of a plan: one JSON object, a line a version, so that people read it and a hundred thousand fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from noxlib import atomic
from noxlib.errors import UsageError
from noxlib.testground.retention import Decision
from noxlib.testground.retention_rules import Rules

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_LIMIT = 512 << 20  # bytes


class Plan(msgspec.Struct, frozen=True):
    """What ``testground_cleanup`` writes, and ``--apply`` and ``--restore`` read."""

    image: str
    made: str  #: ISO 8601 in UTC
    rules: Rules
    versions: tuple[Decision, ...]
    format: Literal["noxlib-cleanup-2"] = "noxlib-cleanup-2"

    @property
    def deletions(self) -> tuple[Decision, ...]:
        """In the order in which they go."""
        return tuple(decision for decision in self.versions if decision.action == "delete")


def write(path: Path, plan: Plan) -> None:
    """The file, whole or not at all. Raises OSError."""
    atomic.write(path, _lines(plan), mode=0o644)


def _lines(plan: Plan) -> Iterator[bytes]:
    encode = msgspec.json.encode
    head = {"format": plan.format, "image": plan.image, "made": plan.made, "rules": plan.rules}
    yield encode(head)[:-1] + b',"versions":['
    for number, decision in enumerate(plan.versions):
        yield (b",\n" if number else b"\n") + encode(decision)
    yield b"\n]}\n"


def read(path: Path, image: str, session: str) -> Plan:
    """The plan of a file, about this repository.

    Raises:
        UsageError: It cannot be read, is no plan, or is about another repository.
    """
    make, name = f"nox -s {session}", f"{path!s:.300}"
    try:
        if not path.is_file() or path.stat().st_size > _LIMIT:  # of a device there is no end
            raise ValueError("it is too large" if path.is_file() else "there is no such file")  # noqa: TRY301
        plan = msgspec.json.decode(path.read_bytes(), type=Plan)
        _refuse_twice(plan)
    except (OSError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"the plan {name} cannot be read: {why}", f"make one: {make}") from error
    if plan.image != image:
        raise UsageError(
            f"the plan {name} is about {plan.image}, and this project's repository is {image}",
            f"make one for this repository: {make}",
        )
    return plan


def _refuse_twice(plan: Plan) -> None:
    digests = {decision.digest for decision in plan.versions}
    if len(digests) != len(plan.versions):
        raise ValueError("it names a version twice")
