"""The files of a build context that an image takes in: where the whole tree is copied, the whole tree counts."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

# What tests and tools leave behind (some of it by our own write-back): it changes with every run and decides no test.
_CACHES = frozenset(
    (".noxlib", ".nox", ".tox", "__pycache__", ".pytest_cache", ".hypothesis", ".mypy_cache", ".ruff_cache")
)
# Of .git what says which commit it is; its index and logs change with every question that git is asked.
_GIT_STATE = ("HEAD", "packed-refs", "refs", "config", "shallow")


def copied(root: Path, sources: Iterable[str], ignored: Callable[[str], bool]) -> tuple[tuple[str, str, str], ...]:
    """Path, mode and SHA-256 of each file that the sources match and .dockerignore leaves in, sorted by path."""
    found: set[str] = set()
    for source in sources:
        for path in _matches(root, source):
            found.update(_below(root, path))
    return tuple((path, *_state(root / path)) for path in sorted(found) if not ignored(path))


def _matches(root: Path, source: str) -> Iterator[str]:
    """The paths that a source names: itself, or what its pattern matches. Nothing outside the context."""
    clean = posixpath.normpath(source)
    if clean.startswith(("..", "/")):
        return
    if clean == ".":
        yield ""
    elif any(letter in clean for letter in "*?["):
        yield from (path.relative_to(root).as_posix() for path in root.glob(clean.replace("**", "*")))
    elif os.path.lexists(root / clean):
        yield clean


def _below(root: Path, relative: str) -> Iterator[str]:
    """The file itself, or all files below a folder. A link is a file of its own."""
    path = root / relative
    if path.is_symlink() or not path.is_dir():
        yield relative
        return
    with os.scandir(path) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        below = f"{relative}/{name}" if relative else name
        if name in _CACHES or name.endswith(".pyc"):
            continue
        if name == ".git" and not relative:
            for state in _GIT_STATE:
                if (path / name / state).exists():
                    yield from _below(root, f"{below}/{state}")
        else:
            yield from _below(root, below)


def _state(path: Path) -> tuple[str, str]:
    """Mode and content of a file; the target of a link; neither for what is no file (a socket, a pipe)."""
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return "link", str(path.readlink())
    if not stat.S_ISREG(status.st_mode):
        return "special", ""
    return oct(status.st_mode & 0o777), hashlib.sha256(path.read_bytes()).hexdigest()
