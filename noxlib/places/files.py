"""Files that go to a host and come back."""

from __future__ import annotations

import shutil
from pathlib import Path

INSIDE = Path(__file__).resolve().parent.parent / "inside"  #: the package that runs beside the tests


def copy(source: Path, target: Path) -> None:
    """Copy a file or a folder, links as links, and make the folders above it; what is there already stays."""
    if source.resolve() == target.resolve():
        return
    if target.exists() and target.samefile(source):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
    else:
        shutil.copy2(source, target)
