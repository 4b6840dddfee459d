"""A phase of a test that does not come back from its own deadline, as code in C may: seen by a watching process.

When a phase must be over stands in a page of memory that this process shares with the one that watches it.
"""

from __future__ import annotations

import mmap
import struct
from time import monotonic  # the real one, whatever a test puts in its place

GRACE = 10.0  # seconds that a phase gets at most after its deadline, to come back from it
TIMES = 8  # a short deadline's grace is so many times as long as it is
PAUSE = 1.0  # seconds between two looks of who watches
_TIME = struct.Struct("d")
_page = mmap.mmap(-1, _TIME.size)


def expect(seconds: float) -> None:
    """A phase begins whose deadline is in so many seconds."""
    _TIME.pack_into(_page, 0, monotonic() + seconds + min(GRACE, TIMES * seconds))


def over() -> None:
    """The phase is over."""
    _TIME.pack_into(_page, 0, 0.0)


def hangs() -> bool:
    """Whether a phase runs on, long after its deadline."""
    end: float = _TIME.unpack_from(_page)[0]
    return 0.0 < end < monotonic()
