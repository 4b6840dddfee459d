"""The budgets of the environment profile: a test that takes more memory or disk than it should is named, and may pass.

Memory is that of the process that runs the tests, or of one process below it, above what the first had when the tests
began. Disk is what a test has written to its ``tmp_path``. As long as the peak stays within the budget and there are no
children, a test costs two calls of getrusage(2) and one of waitid(2); each child that runs, about 0.1 ms.

Of children that have ended and were waited for, the kernel tells the highest peak of all only; of those that still run
at the end of a test, each one's own. A child begins with what its parent has: where the test's own process is over its
budget, nothing is known of its children.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from typing import TYPE_CHECKING, Any

import pytest

from . import notices
from .registered import began

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

MB = 1 << 20
BLOCK = 512  # bytes, of st_blocks
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of ru_maxrss
PEAK = "5"  # what proc(5) wants written to clear_refs, to forget the peak
CHILD = "memory of a child"
SLACK = 16  # a child that was seen takes at most this part of its memory more until it has ended


class Budgets:
    """The plugin, in each process that runs tests."""

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self.memory_mb = int(profile.get("memory_mb") or 0)
        self.disk_mb = int(profile.get("disk_mb") or 0)
        self.base = 0  # bytes that this process had before the tests, and what they left in it
        self.limit = sys.maxsize
        self.ended = sys.maxsize  # bytes that a child may have had when it ends, and not be told: it was, or its parent
        self.running: dict[str, int] = {}  # what those had that run, when they were told
        self.child = ("", 0)  # the last test of which a child was told, and what that had: it may be run again

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self) -> None:
        self.ended = max(peak(), most(resource.RUSAGE_CHILDREN))
        forget_peak()
        self.begin_at(peak())

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_teardown(self, item: Any) -> Iterator[None]:
        folder = (getattr(item, "funcargs", None) or {}).get("tmp_path")
        if folder is not None and self.disk_mb:  # before its fixture removes it
            self.weigh(item, str(folder))
        yield
        if self.memory_mb:
            if most(resource.RUSAGE_CHILDREN) > max(self.limit, self.ended) or has_children():
                self.look_at_children(item)
            if self.child[0] == item.nodeid:
                self.tell(item, CHILD, self.child[1] - self.base, self.memory_mb)
            if most(resource.RUSAGE_SELF) > self.limit:
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
            self.ended = max(self.ended, found)
            forget_peak()
            self.begin_at(max(self.base, peak()))

    def look_at_children(self, item: Any) -> None:
        """Note the child that had the most, if that was more than any child before it, or than itself before."""
        found = most(resource.RUSAGE_CHILDREN)
        over = [found] if found > max(self.limit, self.ended) else []
        self.ended = max(self.ended, found)
        for pid, size in below("self").items():
            if size > self.limit:
                self.ended = max(self.ended, size + size // SLACK)  # it is not told once more when it ends
                process = f"{pid} {began(int(pid))}"
                if size > self.running.get(process, 0) + self.memory_mb * MB:
                    over.append(size)
                    self.running[process] = size
        if over and peak() <= self.limit:
            self.child = (item.nodeid, max(over))

    def weigh(self, item: Any, folder: str) -> None:
        size = written(folder)
        if size > self.disk_mb * MB:
            self.tell(item, "disk", size, self.disk_mb)

    def tell(self, item: Any, what: str, size: int, budget: int) -> None:
        notices.note(item.user_properties, "budgets", what=what, mb=round(size / MB, 1), budget_mb=budget)


def peak() -> int:
    """The most memory, in bytes, that this process had since its peak was forgotten; where it cannot be, ever."""
    return peak_of("self") or most(resource.RUSAGE_SELF)


def peak_of(process: str) -> int:
    """The most memory, in bytes, that a process had; 0 where proc(5) does not tell, as of one that has ended."""
    try:
        with open(f"/proc/{process}/status", "rb") as stream:
            line = next(line for line in stream if line.startswith(b"VmHWM:"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        return 0


def most(who: int) -> int:
    """The most memory, in bytes, that this process had, or the one of its children that had the most."""
    return resource.getrusage(who).ru_maxrss * UNIT


def has_children() -> bool:
    """Whether there is a child that was not waited for; it is left as it is."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except (AttributeError, OSError):  # macOS before Python 3.13; ECHILD
        return False
    return True


def below(process: str) -> dict[str, int]:
    """The processes that descend from one and have not ended, each with the most memory, in bytes, that it had."""
    found = {}
    for child in children(process):
        found.update({child: peak_of(child), **below(child)})
    return found


def children(process: str) -> list[str]:
    """The children of a process, which are those of its threads; none where the kernel does not list them."""
    found: list[str] = []
    with contextlib.suppress(OSError):  # it has ended, or there is no proc(5)
        for thread in os.listdir(f"/proc/{process}/task"):
            path = f"/proc/{process}/task/{thread}/children"
            with contextlib.suppress(OSError), open(path, encoding="ascii") as stream:
                found += stream.read().split()
    return found


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
