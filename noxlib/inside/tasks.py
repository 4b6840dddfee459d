"""``task.json``: what is to be done, as ``noxlib.plan.Task`` describes it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any


def read(path: str) -> dict[str, Any]:
    """Read a task; raises OSError, or ValueError where it is none.

    A task that is planned before its place is known names its result folder beside its own file.
    """
    task = json.loads(Path(path).read_text(encoding="utf-8"))
    missing = [name for name in ("python", "workspace", "result", "timeout") if name not in task]
    if missing:
        raise ValueError(f"it lacks {', '.join(missing)}")
    return {**task, "result": os.path.join(os.path.dirname(os.path.abspath(path)), task["result"])}
