"""Whose a thing is: a process, known by its pid, its start time and the boot of its machine.

A pid that was given out again is then not taken for the owner.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
from pathlib import Path
from typing import Literal

import msgspec

State = Literal["alive", "dead", "unknown"]


class Owner(msgspec.Struct, frozen=True):
    """A process. ``start`` and ``boot`` are opaque texts, compared only, and safe as label values."""

    pid: int
    start: str  #: clock ticks from boot to the process' start, or psutil's creation time
    boot: str  #: ``machine.boot.namespace``


def identity() -> Owner:
    """This process as an owner. Costs one read of /proc the first time in each process."""
    return _identity(os.getpid())


@functools.lru_cache(maxsize=1)
def _identity(pid: int) -> Owner:  # keyed by the pid: a forked child is another owner
    found = _start(pid)
    return Owner(pid, found[0] if found else "0", _boot())


def look(owner: Owner) -> State:
    """Whether the owner lives, or ``unknown`` where it cannot be seen from here: another machine or pid namespace."""
    machine, boot, namespace = [*owner.boot.split("."), "", "", ""][:3]
    here = _boot().split(".")
    if boot != here[1]:
        return "dead" if machine == here[0] else "unknown"
    if namespace != here[2] or (boot == "" and machine != here[0]):
        return "unknown"
    found = _start(owner.pid)
    return "alive" if found and found[0] == owner.start and found[1] not in "ZX" else "dead"


def alive(owner: Owner) -> bool:
    """Whether the owner must be taken for alive; one that cannot be seen from here is."""
    return look(owner) != "dead"


def prefix() -> str:
    """The beginning of the name of what this process has not made to its end yet."""
    own = identity()
    return f".tmp-{own.pid}_{own.start}_{own.boot}_"


def forsaken(name: str) -> bool:
    """Whether the process is dead that had begun to make what has this name."""
    named = re.match(r"\.tmp-([0-9]+)_([^_]+)_([^_]+)_", name)
    return named is not None and look(Owner(int(named[1]), named[2], named[3])) == "dead"


def _start(pid: int) -> tuple[str, str] | None:
    """Start time and state (one letter as in proc(5)) of a process, None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None if Path("/proc/self/stat").exists() else _start_by_psutil(pid)
    fields = text[text.rindex(b")") + 2 :].split()  # the name before it may hold blanks and brackets
    return fields[19].decode(), fields[0].decode()


def _start_by_psutil(pid: int) -> tuple[str, str] | None:
    import psutil  # noqa: PLC0415 - only where there is no /proc

    try:
        process = psutil.Process(pid)
        return repr(process.create_time()), "Z" if process.status() == psutil.STATUS_ZOMBIE else "S"
    except psutil.NoSuchProcess:
        return None


@functools.lru_cache(maxsize=1)
def _boot() -> str:
    """``machine.boot.namespace``; without /proc the latter two are empty (macOS moves its boot time with the clock)."""
    machine = hashlib.sha256(f"{os.uname().nodename}\n{_text('/etc/machine-id')}".encode()).hexdigest()[:12]
    try:
        namespace = str(Path("/proc/self/ns/pid").stat().st_ino)
    except OSError:
        namespace = ""
    return f"{machine}.{_text('/proc/sys/kernel/random/boot_id')}.{namespace}"


def _text(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""
