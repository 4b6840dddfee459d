"""What both ways get of this process' environment: a person does not sit inside noxlib's own tools."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def path() -> str:
    """PATH without the folder of the running interpreter: a project's tests use what they find there (mypy, say)."""
    ours = Path(sys.executable).parent
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder) != ours)
