"""A limit of the place that a test has met, by what its failure says: no disk left, no memory left."""

from __future__ import annotations

import errno
import resource
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NO_DISK = tuple(f"OSError: [Errno {number}]" for number in (errno.ENOSPC, errno.EDQUOT))
NO_MEMORY = "MemoryError"


def of(failures: Iterable[Mapping[str, str]]) -> tuple[str | None, str | None]:
    """The cause, and the first failure that it stands in, with its test; None where no limit was met.

    Without a limit a MemoryError is the test's own: it asked for more than there can be.
    """
    words = {"disk-full": NO_DISK, **({"out-of-memory": (NO_MEMORY,)} if memory_is_limited() else {})}
    for failure in failures:
        for cause, begins in words.items():
            if failure["message"].startswith(begins):
                return cause, f"{failure['id']}: {failure['message']}"
    return None, None


def memory_is_limited() -> bool:
    """Whether the place limits the memory of each process (in a container the kernel kills instead)."""
    return resource.getrlimit(resource.RLIMIT_DATA)[0] != resource.RLIM_INFINITY
