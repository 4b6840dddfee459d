"""``task.json``: what is to be done, as ``noxlib.plan.Task`` describes it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

ENVIRONMENT = "NOXLIB_ENV"  #: variable that names the environment profile


def current() -> dict[str, Any] | None:
    """The task that this process belongs to; None outside a run."""
    path = os.environ.get("NOXLIB_TASK")
    return read(path) if path else None


def read(path: str) -> dict[str, Any]:
    """Read a task; raises OSError, or ValueError where it is none.

    A task that is planned before its place is known names its result folder and others beside its own file.
    """
    task = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = [name for name in ("python", "workspace", "result", "timeout") if name not in task]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    beside = os.path.dirname(os.path.abspath(path))
    named = {name: os.path.join(beside, task[name]) for name in ("result", "durations") if task.get(name)}
    return {**task, **named}


def variables(profile: Mapping[str, Any], environ: Mapping[str, str]) -> dict[str, str]:
    """What tests see of an environment profile, and of the Slurm allocation where they run in one."""
    found = {
        ENVIRONMENT: str(profile["name"]),
        "NOXLIB_TIMEOUT_MULTIPLIER": f"{profile['timeout_multiplier']:g}",
        "NOXLIB_CONCURRENT_LIMIT": str(profile["concurrent"]),
    }
    if environ.get("SLURM_JOB_ID"):
        found["NOXLIB_HPC_NODES"] = environ.get("SLURM_JOB_NUM_NODES") or "1"
        found["NOXLIB_HPC_TASKS"] = environ.get("SLURM_NTASKS") or "1"
    aliases: Mapping[str, str] = profile.get("aliases") or {}
    return {**found, **{alias: found[ours] for alias, ours in aliases.items() if ours in found}}
