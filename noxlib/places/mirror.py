"""A copy of the working tree that follows it: only what changed is copied, what is gone is removed."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING, NamedTuple, Optional

from noxlib import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

#: Folders that no test of a project reads, and that may be large.
SKIPPED = frozenset((".nox", ".tox", ".noxlib", "__pycache__", ".mypy_cache", ".ruff_cache", "node_modules"))


class Mark(NamedTuple):
    """What tells that a file is unchanged."""

    mode: int
    size: int
    mtime_ns: int
    link: str


Snapshot = dict[str, Mark]  #: relative path -> mark; of a folder only its kind counts


def snapshot(root: Path, *, everything: bool = False) -> Snapshot:
    """Look at a tree, links not followed. Without ``everything``, caches and virtual environments are left out.

    Raises:
        OSError: A folder cannot be read.
    """
    found: Snapshot = {}
    _look(str(root), "", found, everything=everything)
    return found


def _look(folder: str, prefix: str, found: Snapshot, *, everything: bool) -> None:
    with os.scandir(folder) as entries:
        listed = list(entries)
    for entry in listed:
        status = entry.stat(follow_symlinks=False)
        mode = status.st_mode
        relative = prefix + entry.name
        if stat.S_ISREG(mode):
            found[relative] = Mark(mode, status.st_size, status.st_mtime_ns, "")
        elif stat.S_ISDIR(mode):
            if everything or not _is_skipped(entry):
                found[relative] = Mark(stat.S_IFDIR, 0, 0, "")
                _look(entry.path, relative + "/", found, everything=everything)
        elif stat.S_ISLNK(mode):
            found[relative] = Mark(stat.S_IFLNK, 0, 0, os.readlink(entry.path))  # noqa: PTH115 - thousands of them
        elif everything:
            found[relative] = Mark(mode, 0, 0, "")  # a socket or a pipe that a test left, to be removed


def _is_skipped(entry: os.DirEntry[str]) -> bool:
    return entry.name in SKIPPED or os.path.lexists(f"{entry.path}/pyvenv.cfg")


def sync(checkout: Path, target: Path, prepared: Optional[Path] = None) -> Snapshot:
    """Make ``target`` the checkout with the prepared tree's files added where the checkout owns none.

    Whatever else lies in ``target`` is removed. Links stay links.

    Returns:
        ``target`` as it is now.

    Raises:
        OSError: A file cannot be read or written.
    """
    target.mkdir(parents=True, exist_ok=True)
    wanted = {relative: (checkout, mark) for relative, mark in snapshot(checkout).items()}
    if prepared is not None:
        for relative, mark in snapshot(prepared, everything=True).items():
            wanted.setdefault(relative, (prepared, mark))
    there = snapshot(target, everything=True)
    for relative in _stale(wanted, there):
        _remove(target / relative)
    for relative, (root, mark) in wanted.items():
        if there.get(relative) != mark:
            _copy(root / relative, target / relative, mark)
    return {relative: mark for relative, (_, mark) in wanted.items()}


def _stale(wanted: Mapping[str, tuple[Path, Mark]], there: Snapshot) -> Iterator[str]:
    """What must go: no longer wanted, or of another kind; what lies below a folder that goes is not named."""
    gone = "\0"
    for relative, mark in there.items():  # a folder comes before what it holds
        if relative.startswith(gone):
            continue
        if relative not in wanted or stat.S_IFMT(wanted[relative][1].mode) != stat.S_IFMT(mark.mode):
            gone = relative + "/"
            yield relative


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        atomic.remove_tree(path)
    else:
        path.unlink()


def _copy(source: Path, target: Path, mark: Mark) -> None:
    if stat.S_ISDIR(mark.mode):
        target.mkdir(exist_ok=True)
        return
    target.unlink(missing_ok=True)  # never write through what was there
    if stat.S_ISLNK(mark.mode):
        target.symlink_to(mark.link)
        return
    shutil.copyfile(source, target, follow_symlinks=False)
    target.chmod(stat.S_IMODE(mark.mode))
    os.utime(target, ns=(mark.mtime_ns, mark.mtime_ns))
