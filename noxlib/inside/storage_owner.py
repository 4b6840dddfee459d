"""Names of the folders that sessions make in storage that others use too, and which of them nobody uses any more.

A name tells whose it is: the machine with its namespace of processes, the process, and when it is over at the latest.
After a kill -9 the next session on the same machine removes what is left at once, one elsewhere when its time is over.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import time
from pathlib import Path
from typing import Any

from . import tasks
from .registered import alive, began

BASE = "noxlib-storage"  #: the folder in which they lie
MARGIN = 3600.0  # seconds after a session's own limit: clocks differ, and it cleans up
UNLIMITED = 86400.0  # seconds of a session that has no limit
NAME = re.compile(r"(?P<until>\d+)-(?P<machine>[0-9a-f]{12})-(?P<pid>\d+)-(?P<began>\d+)-[0-9a-f]{8}")


def machine() -> str:
    """This machine since it was booted, and the namespace in which its process ids mean something."""
    parts = [Path("/proc/sys/kernel/random/boot_id").read_bytes(), os.readlink("/proc/self/ns/pid").encode()]
    return hashlib.sha256(b"".join(parts)).hexdigest()[:12]


def name() -> str:
    """A name for a folder of this process."""
    task = tasks.current()
    until = time.time() + (task["timeout"] + MARGIN if task else UNLIMITED)
    return f"{until:.0f}-{machine()}-{os.getpid()}-{began(os.getpid())}-{secrets.token_hex(4)}"


def is_left(name: str, now: float) -> bool:
    """Whether a name is one of ours whose session is over."""
    found = NAME.fullmatch(name)
    if found is None:
        return False
    if found["machine"] == machine() and not alive(int(found["pid"]), found["began"]):
        return True
    return now > int(found["until"])


def sweep(filesystem: Any, base: str) -> int:
    """Remove what dead sessions left below a folder; how much that was.

    Args:
        filesystem: Of fsspec.
        base: Path of the folder; it need not be there.
    """
    count = 0
    with contextlib.suppress(FileNotFoundError):
        for path in filesystem.ls(base, detail=False):
            if is_left(path.rstrip("/").rpartition("/")[2], time.time()):
                with contextlib.suppress(FileNotFoundError):  # another session sweeps too
                    filesystem.rm(path, recursive=True)
                count += 1
    return count
