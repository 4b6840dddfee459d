"""The CPUs that a place really has: affinity, cgroup quota and Slurm's grant, whichever is smallest."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, MutableMapping

CGROUP = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def available() -> int:
    """Count the CPUs that this process may use, at least one; a fractional quota counts as a whole CPU more."""
    membership = MEMBERSHIP.read_text() if MEMBERSHIP.exists() else ""
    granted = [affinity(), quota(CGROUP, membership), slurm(os.environ)]
    return max(1, math.ceil(min(count for count in granted if count is not None)))


def affinity() -> int:
    """Count the CPUs that the scheduler lets this process run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def quota(root: Path, membership: str) -> float | None:
    """Give the smallest CPU quota of the own cgroup and of those above it, in CPUs; None where there is none.

    Args:
        root: Where the cgroup file systems are mounted, ``/sys/fs/cgroup``.
        membership: Text of ``/proc/self/cgroup``, cgroups(7): lines ``id:controllers:path``, in version 2 ``0::path``.
    """
    quotas = []
    for line in membership.splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            quotas += [_version_2(folder) for base in (root, root / "unified") for folder in _upwards(base, path)]
        elif "cpu" in controllers.split(","):
            quotas += [
                _version_1(folder) for base in (root / controllers, root / "cpu") for folder in _upwards(base, path)
            ]
    return min((found for found in quotas if found is not None), default=None)


def slurm(environment: Mapping[str, str]) -> int | None:
    """Give the CPUs that Slurm granted to this task, or on this node; None outside of Slurm."""
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE"):
        if environment.get(name, "").isdigit():
            return max(1, int(environment[name]))
    return None


def limit_workers(environment: MutableMapping[str, str], cpus: int) -> None:
    """Make ``-n auto`` of pytest-xdist start as many workers as there are CPUs, unless the user decided."""
    environment.setdefault("PYTEST_XDIST_AUTO_NUM_WORKERS", str(cpus))


def limit_threads(environment: MutableMapping[str, str], cpus: int, workers: int = 1) -> None:
    """Share the CPUs between the threads of numerical libraries in each worker, where the user set nothing."""
    for name in THREADS:
        environment.setdefault(name, str(max(1, cpus // max(1, workers))))


def _upwards(base: Path, path: str) -> Iterator[Path]:
    """The cgroup's folder and all above it; in a container only the mount's root may exist."""
    parts = [part for part in path.split("/") if part not in ("", "..")]
    for length in range(len(parts), -1, -1):
        yield base.joinpath(*parts[:length])


def _version_2(folder: Path) -> float | None:
    return _ratio(*_words(folder / "cpu.max"))


def _version_1(folder: Path) -> float | None:
    return _ratio(*_words(folder / "cpu.cfs_quota_us"), *_words(folder / "cpu.cfs_period_us"))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:  # no such controller here, which means no limit
        return []


def _ratio(quota_us: str = "max", period_us: str = "") -> float | None:
    if not quota_us.isdigit() or not period_us.isdigit() or not int(period_us):  # "max" and "-1": no limit
        return None
    return int(quota_us) / int(period_us)
