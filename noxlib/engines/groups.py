"""Process groups of programs that we started: signalled, and waited for to the last process; and other processes."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Collection

END_SECONDS = 10.0  #: that killed processes get to let go of memory and files; one that waits for a disk takes longer
_PAUSE = 0.01  # seconds between two looks


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Send a signal to a program and all that stayed in its group; no error where they have ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(process.pid, number)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a program and its group, and wait until they have let go of their files.

    A killed process has its files open, and a file system in use, until the kernel is done with it: for a virtual
    machine's memory that takes a while, and it is not our child.
    """
    signal_group(process, signal.SIGKILL)
    process.wait()
    _wait_while(lambda: _lives(process.pid))


def await_end(pids: Collection[int]) -> None:
    """Wait until processes that were killed have let go of their files, be they zombies that nobody waits for."""
    _wait_while(lambda: any(map(_is_at_work, pids)))


def _wait_while(lives: Callable[[], bool]) -> None:
    deadline = time.monotonic() + END_SECONDS
    while lives() and time.monotonic() < deadline:
        time.sleep(_PAUSE)


def _lives(group: int) -> bool:
    """Whether any process of a group is more than a zombie, which nobody may ever wait for."""
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    import psutil  # noqa: PLC0415 - most programs leave nobody in their group

    return any(_is_of(pid, group) and _is_at_work(pid) for pid in psutil.pids())


def _is_of(pid: int, group: int) -> bool:
    with contextlib.suppress(OSError):
        return os.getpgid(pid) == group
    return False


def _is_at_work(pid: int) -> bool:
    import psutil  # noqa: PLC0415 - as above

    with contextlib.suppress(psutil.Error, OSError):
        process = psutil.Process(pid)
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    return False
