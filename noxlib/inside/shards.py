"""Shards: one collection, cut into parts that are the same wherever they are cut, disjoint and complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Test = TypeVar("Test")

WHOLE = (0, 1)
#: Variables of a rank and of the number of ranks: Open MPI, MPICH and Intel MPI, a step of Slurm. (In Slurm's batch
#: script itself SLURM_PROCID is 0 of many, but no other rank runs.)
RANKS = (
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("PMI_RANK", "PMI_SIZE"),
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)


def checked(index: int, count: int) -> tuple[int, int]:
    """A shard as it is given. Raises ValueError where there is no such part."""
    if not 0 <= index < count:
        raise ValueError(f"there is no shard {index} of {count}")
    return index, count


def rank(environ: Mapping[str, str]) -> tuple[int, int]:
    """This process' rank and the number of ranks; the whole where it is not one of many."""
    for name, size in RANKS:
        index, count = environ.get(name, ""), environ.get(size, "")
        if index.isdigit() and count.isdigit() and int(index) < int(count):
            return int(index), int(count)
    return WHOLE


def part(tests: Sequence[Test], ids: Sequence[str], index: int, count: int) -> list[Test]:
    """Every ``count``-th test by sorted id, beginning with the ``index``-th, in the order of the collection.

    Tests of one id, as a file that is named twice gives them, are told apart by their order.
    """
    by_id = sorted(range(len(ids)), key=lambda at: (ids[at], at))
    mine = set(by_id[index::count])
    return [test for at, test in enumerate(tests) if at in mine]


def digest(ids: Sequence[str]) -> str:
    """The same for the same collection: shards whose digests differ were not cut from one."""
    import hashlib  # noqa: PLC0415 - the unit tests do not pay for it

    text = "\0".join(sorted(ids))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
