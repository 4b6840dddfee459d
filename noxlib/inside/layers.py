"""Files that a session leaves in the copy-on-write layers of its place: the testground's own and the workspace's.

A layer is an overlay of the kernel; what is new in it, or was changed in it, changed after the session began.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SHOWN = 50  #: files of a session that are told
KEPT = ("__pycache__", ".pytest_cache", ".hypothesis", ".noxlib")  #: folders that tools keep for the next session


class Layers:
    """The overlays among the file systems of a folder and of those above it, from now on.

    Args:
        folder: That of the tests.
        without: The real paths of folders that are not looked into: the temporary one.
    """

    def __init__(self, folder: Path, without: Iterable[str]) -> None:
        self.began = time.time()
        self.roots = overlays(mounts(), map(str, (folder, *folder.parents)))
        self.without = set(without)

    def left(self) -> list[str]:
        """The files that were written since and are still there, sorted; the first ``SHOWN`` of them."""
        found = {path for root in self.roots for path in written(root, self.began, self.without)}
        return sorted(found)[:SHOWN]


def mounts(table: Path = Path("/proc/self/mountinfo")) -> dict[str, str]:
    """The type of the file system at each mount point, proc(5); nothing where there is no such table."""
    try:
        lines = table.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return {}
    halves = (line.partition(" - ")[::2] for line in lines)
    return {before.split()[4]: after.split()[0] for before, after in halves if after}


def overlays(types: dict[str, str], folders: Iterable[str]) -> list[str]:
    """Those of some folders that are mount points of overlays; each once."""
    return [folder for folder in dict.fromkeys(folders) if types.get(folder) == "overlay"]


def written(root: str, since: float, without: set[str]) -> Iterator[str]:
    """The files below a folder, of its own file system, whose content or attributes changed since then."""
    device = os.lstat(root).st_dev
    pending = [root]
    while pending:
        for entry, about in entries(pending.pop()):
            if entry.is_dir(follow_symlinks=False):
                if entry.name not in KEPT and entry.path not in without and about.st_dev == device:
                    pending.append(entry.path)
            elif about.st_ctime >= since:
                yield entry.path


def entries(folder: str) -> Iterator[tuple[os.DirEntry[str], os.stat_result]]:
    """What is in a folder, but for what this user may not see, and what goes in that moment."""
    with contextlib.suppress(OSError), os.scandir(folder) as found:
        for entry in found:
            with contextlib.suppress(OSError):
                yield entry, entry.stat(follow_symlinks=False)
