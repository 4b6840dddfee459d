"""Processes that left their group: found by a variable of their environment, which they inherit."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ATTEMPTS = 5  #: a process may fork while we look


def kill_marked(name: str, value: str) -> int:
    """Kill every process but this one whose environment has ``name=value``; how many there were."""
    killed = 0
    for _ in range(ATTEMPTS):
        found = list(_marked(f"{name}={value}"))
        if not found:
            break
        for pid in found:
            killed += _kill(pid)
    return killed


def _kill(pid: int) -> int:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return 0
    return 1


def _marked(mark: str) -> Iterator[int]:
    own = os.getpid()
    processes = _by_proc() if Path("/proc/self/environ").exists() else _by_psutil()
    return (pid for pid, variables in processes if pid != own and mark.encode() in variables)


def _by_proc() -> Iterator[tuple[int, list[bytes]]]:
    with os.scandir("/proc") as entries:
        names = [entry.name for entry in entries if entry.name.isdigit()]
    for name in names:
        try:
            variables = Path("/proc", name, "environ").read_bytes()
        except OSError:  # it ended, or it is another user's
            continue
        yield int(name), variables.split(b"\0")


def _by_psutil() -> Iterator[tuple[int, list[bytes]]]:
    import psutil  # noqa: PLC0415 - only where there is no /proc

    for process in psutil.process_iter():
        try:
            yield process.pid, [f"{key}={value}".encode() for key, value in process.environ().items()]
        except (psutil.Error, OSError):
            continue
