"""Processes that left their group: found by a variable of their environment, which they inherit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.engines import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS = 5  #: a process may fork while we look


def kill_marked(name: str, value: str) -> int:
    """Kill every process but this one whose environment has ``name=value``; how many there were.

    Afterwards none of them writes or holds a file any more.
    """
    killed: set[int] = set()
    for _ in range(ATTEMPTS):
        found = [pid for pid in _marked(f"{name}={value}") if _kill(pid)]
        if not found:
            break
        killed.update(found)
        groups.await_end(killed)
    return len(killed)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _marked(mark: str) -> Iterator[int]:
    own = os.getpid()
    processes = _by_proc() if Path("/proc/self/environ").exists() else _by_psutil()
    return (pid for pid, variables in processes if pid != own and mark.encode() in variables)


def _by_proc() -> Iterator[tuple[int, list[bytes]]]:
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                variables = (process / "environ").read_bytes()
            except OSError:  # it ended, or it is another user's
                continue
            yield int(process.name), variables.split(b"\0")


def _by_psutil() -> Iterator[tuple[int, list[bytes]]]:
    import psutil  # noqa: PLC0415 - only where there is no /proc

    for process in psutil.process_iter():
        try:
            yield process.pid, [f"{key}={value}".encode() for key, value in process.environ().items()]
        except (psutil.Error, OSError):
            continue
