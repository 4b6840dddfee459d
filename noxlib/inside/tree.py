"""What a build made in the workspace."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterator
    from pathlib import Path

SKIPPED = {".git", ".hg", ".nox", ".noxlib", "__pycache__"}
Stamp = tuple[int, int]


def snapshot(workspace: Path, output: Path) -> dict[str, Stamp]:
    """Modification time (ns) and size of each file, by its path relative to ``workspace``."""
    return dict(_walk(workspace, output))


def copy_changes(
    workspace: Path, before: dict[str, Stamp], owned: Container[str], target: Path, output: Path
) -> list[str]:
    """Copy what is new or changed since ``before`` and not ``owned`` by the checkout; give the relative paths.

    A copy of an owned file would hide every later edit of it. Modification times are kept: incremental builds compare
    them. A link is copied as a link, and only if it stays within the workspace.
    """
    changed = [path for path, stamp in _walk(workspace, output) if before.get(path) != stamp and path not in owned]
    return [path for path in sorted(changed) if _copy(workspace / path, target / path, workspace)]


def _walk(workspace: Path, output: Path) -> Iterator[tuple[str, Stamp]]:
    for folder, folders, files in os.walk(workspace):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        folders[:] = [
            name
            for name in folders
            if name not in SKIPPED and name not in links and os.path.join(folder, name) != str(output)
        ]
        for name in files + links:
            path = os.path.join(folder, name)
            status = os.lstat(path)
            yield os.path.relpath(path, workspace), (status.st_mtime_ns, status.st_size)


def _copy(source: Path, target: Path, workspace: Path) -> bool:
    root = os.path.realpath(workspace)
    if source.is_symlink() and os.path.commonpath([os.path.realpath(source), root]) != root:
        print(f"noxlib: {source} leads out of the workspace and is left out", flush=True)
        return False
    if not source.is_symlink() and not source.is_file():  # a socket or a pipe
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target, follow_symlinks=False)
    return True
