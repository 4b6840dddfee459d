"""As of when dependencies are resolved: the last commit that changed what declares them, so that all get the same."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Optional

from noxlib.engines import git
from noxlib.ledger import Ledger, state_folder
from noxlib.testground.lockinputs import Reader, declared, declaring_files

if TYPE_CHECKING:
    from noxlib.config.project import Project

_PAGE = 32


def cutoff(project: Project, read: Reader) -> Optional[str]:
    """``exclude_newer`` of the configuration, else the time of that commit (RFC 3339), else None.

    A commit counts if it changed a declaration: one that edits a comment or another tool's table does not. None without
    git, while declarations are not committed, and where a shallow clone ends before that commit.
    """
    if project.config.exclude_newer:
        return project.config.exclude_newer
    commit = git.commit(project.root)
    if commit is None:
        return None
    paths = declaring_files(project, read)
    now = declared(paths, read)
    memo = state_folder() / "cutoffs" / hashlib.sha256(f"{commit} {paths} {now}".encode()).hexdigest()[:32]
    try:
        return memo.read_text("ascii") or None
    except FileNotFoundError:
        found = _walk(project, paths, now)
    Ledger().remember(memo, (found or "").encode("ascii"))
    return found


def _walk(project: Project, paths: tuple[str, ...], now: str) -> Optional[str]:
    """Back through the commits that touched the files, as far as they declare the same as the checkout."""
    limit = _PAGE
    while True:
        commits = git.touching(project.root, paths, limit=limit)
        same = _unchanged_since(project, paths, commits, now)
        if same < len(commits) or len(commits) < limit:
            break
        limit *= 8
    if same == 0 or commits[same - 1][0] in git.boundary(project.root):
        return None
    return commits[same - 1][1]


def _unchanged_since(project: Project, paths: tuple[str, ...], commits: list[tuple[str, str]], now: str) -> int:
    """How many of the commits, newest first, declare what the checkout declares."""
    wanted = [(commit, path) for commit, _ in commits for path in paths]
    contents = git.contents(project.root, wanted) if wanted else []
    for index in range(len(commits)):
        at_commit = dict(zip(paths, contents[index * len(paths) : (index + 1) * len(paths)]))
        if declared(paths, at_commit.get) != now:
            return index
    return len(commits)
