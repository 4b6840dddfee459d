"""How often the kernel has killed for lack of memory."""

from __future__ import annotations

import contextlib


def kills() -> int:
    """How many processes the kernel killed for lack of memory so far: in our control group, else on the machine."""
    for path in (*own_groups(), "/sys/fs/cgroup/memory/memory.oom_control", "/proc/vmstat"):
        with contextlib.suppress(OSError), open(path, encoding="ascii") as stream:
            found = [line.split()[1] for line in stream if line.startswith("oom_kill ")]
            return int(found[0]) if found else 0
    return 0


def own_groups() -> list[str]:
    """The files of our own control group that count such kills, of version 2 and of version 1 (cgroups(7))."""
    with contextlib.suppress(OSError), open("/proc/self/cgroup", encoding="utf-8") as stream:
        lines = [line.rstrip("\n").split(":", 2) for line in stream]
        unified = [f"/sys/fs/cgroup{path}/memory.events" for _, names, path in lines if not names]
        first = [
            f"/sys/fs/cgroup/memory{path}/memory.oom_control"
            for _, names, path in lines
            if "memory" in names.split(",")
        ]
        return [*first, *unified]
    return []
