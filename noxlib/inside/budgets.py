"""The budgets of the environment profile: a test that takes more memory or disk than it should is named, and may pass.

Memory is that of the process that runs the tests, above what it had when they began. Disk is what a test has written to
its ``tmp_path``. As long as the process' own peak stays within the budget, a test costs one call of getrusage(2).
"""

from __future__ import annotations

import os
import resource
import sys
from typing import TYPE_CHECKING, Any

import pytest

from . import notices

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MB = 1 << 20
BLOCK = 512  # bytes, of st_blocks
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of ru_maxrss
PEAK = "5"  # what proc(5) wants written to clear_refs, to forget the peak


class Budgets:
    """The plugin, in each process that runs tests."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.memory_mb = int(profile.get("memory_mb") or 0)
        self.disk_mb = int(profile.get("disk_mb") or 0)
        self.base = 0  # bytes that this process had before the tests, and what they left in it
        self.limit = sys.maxsize

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        forget_peak()
        self.begin_at(peak())

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: Any) -> Iterator[None]:
        folder = (getattr(item, "funcargs", None) or {}).get("tmp_path")
        if folder is not None and self.disk_mb:  # before its fixture removes it
            self.weigh(item, str(folder))
        yield
        if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT > self.limit:
            self.look(item)

    def begin_at(self, size: int) -> None:
        self.base = size
        self.limit = size + self.memory_mb * MB if self.memory_mb else sys.maxsize

    def look(self, item: Any) -> None:
        """Note the peak, if it is that of this test: getrusage(2) knows none but the highest of all.

        What stays of it is told of this test alone, and belongs to the base line of the next ones.
        """
        found = peak()
        if found > self.limit:
            self.tell(item, "memory", found - self.base, self.memory_mb)
            forget_peak()
            self.begin_at(max(self.base, peak()))

    def weigh(self, item: Any, folder: str) -> None:
        size = written(folder)
        if size > self.disk_mb * MB:
            self.tell(item, "disk", size, self.disk_mb)

    def tell(self, item: Any, what: str, size: int, budget: int) -> None:
        notices.note(item.user_properties, "budgets", what=what, mb=round(size / MB, 1), budget_mb=budget)


def peak() -> int:
    """The most memory, in bytes, that this process had since its peak was forgotten; where it cannot be, ever."""
    try:
        with open("/proc/self/status", "rb") as stream:
            line = next(line for line in stream if line.startswith(b"VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


def forget_peak() -> None:
    """Let the peak be what this process has now (Linux 4.0)."""
    try:
        with open("/proc/self/clear_refs", "w", encoding="ascii") as stream:
            stream.write(PEAK)
    except OSError:  # then the highest so far is the base line of what follows
        pass


def written(folder: str) -> int:
    """The bytes that the files below a folder take on the disk: a sparse one takes few. Links are not followed."""
    size = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    size += written(entry.path)
                else:
                    size += entry.stat(follow_symlinks=False).st_blocks * BLOCK
    except OSError:  # removed meanwhile, or of mode 000
        pass
    return size
