"""Shards: one collection, cut into parts that are the same wherever they are cut, disjoint and complete."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
from typing import TYPE_CHECKING, Any, NamedTuple

from . import makespan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

WHOLE = (0, 1)
#: Variables of a rank and of the number of ranks: Open MPI, MPICH and Intel MPI, a step of Slurm. (In Slurm's batch
#: script itself SLURM_PROCID is 0 of many, but no other rank runs.)
RANKS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
#: Scopes of fixtures that are set up once for several tests, the widest first; those of a session each shard pays.
SCOPES = ("package", "module", "class")


class Part(NamedTuple):
    """One shard of a collection: its tests, and the digest, which is the same for all shards of one cut."""

    items: list[Any]
    digest: str


def checked(index: int, count: int) -> tuple[int, int]:
    """A shard as it is given. Raises ValueError where there is no such part."""
    if not 0 <= index < count:
        raise ValueError(f"there is no shard {index} of {count}")
    return index, count


def rank(environ: Mapping[str, str]) -> tuple[int, int]:
    """This process' rank and the number of ranks; the whole where it is not one of many."""
    for name, size in RANKS:
        index, count = environ.get(name, ""), environ.get(size, "")
        if index.isdecimal() and count.isdecimal() and int(index) < int(count):
            return int(index), int(count)
    return WHOLE


def part(items: Sequence[Any], recorded: Mapping[str, makespan.Cost], index: int, count: int) -> Part:
    """The ``index``-th of ``count`` shards of pytest's items, in the order of the collection."""
    tests = [makespan.Case(item.nodeid, tuple(shared(item))) for item in items]
    shard_of = makespan.assign(tests, recorded, count)
    mine = [item for item, shard in zip(items, shard_of) if shard == index]
    return Part(mine, digest(f"{test.id}\0{shard}" for test, shard in zip(tests, shard_of)))


def shared(item: Any) -> Iterator[str]:
    """For each scope the place where a test's fixtures of that scope are set up; a parameter of theirs is another."""
    information = getattr(item, "_fixtureinfo", None)  # a doctest of a text file has none
    definitions = getattr(information, "name2fixturedefs", {})
    indices = getattr(getattr(item, "callspec", None), "indices", {})
    for scope in SCOPES:
        found = [(name, known[-1]) for name, known in sorted(definitions.items()) if known and known[-1].scope == scope]
        place = _place(item, scope, [definition for _, definition in found])
        if place:
            parameters = "".join(f"[{name}={indices[name]}]" for name, _ in found if name in indices)
            yield f"{scope} {place}{parameters}"


def _place(item: Any, scope: str, definitions: Sequence[Any]) -> str:
    """The id of the package, module or class; empty where the test has no fixture of that scope, or is in none."""
    if not definitions:
        return ""
    if scope == "package":  # where the fixture is defined, not where the test lies
        return min(str(getattr(definition, "baseid", "")) for definition in definitions) or "."
    import pytest  # noqa: PLC0415 - which is there by now

    kind: Any = pytest.Module if scope == "module" else pytest.Class
    parent = item.getparent(kind)
    return parent.nodeid if parent is not None else ""


def digest(lines: Iterable[str]) -> str:
    """The same for the same lines, whatever their order."""
    text = "\1".join(sorted(lines))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def read(path: str) -> dict[str, makespan.Cost]:
    """Recorded durations: gzipped JSON, ``{id: [seconds of the set-up, seconds of the rest]}``; of no file none."""
    if not path or not os.path.exists(path):
        return {}
    with gzip.open(path, "rt", encoding="utf-8") as stream:
        found = json.load(stream)
    return {test: makespan.Cost(*(int(makespan.SECOND * seconds) for seconds in cost)) for test, cost in found.items()}
