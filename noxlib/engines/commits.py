"""Commits of a checkout: what a name means, what to compare with, and the code of one in a folder of its own."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib import temporary
from noxlib.engines import git, process, revisions
from noxlib.errors import EngineError, UsageError
from noxlib.ledger import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_MAINLINES = ("origin/HEAD", "origin/main", "origin/master", "main", "master")
#: Git starts it by a shell, without our environment: a tree of another owner is trusted for this call only.
_UPLOAD_PACK = "git -c 'safe.directory=*' upload-pack"
#: Hooks are the user's, for their own working tree.
_PLAIN = ("-c", "core.hooksPath=/dev/null", "-c", "advice.detachedHead=false")


def resolve(root: Path, revision: str) -> str:
    """The full id of the commit that a revision names: a branch, a tag, ``HEAD~2``, the beginning of an id.

    Raises:
        UsageError: no commit here has that name.
    """
    found = revisions.resolve(root, revision)
    if found is None or not _COMMIT.fullmatch(found):
        raise UsageError(
            f"{revision!r:.200} names no commit of this checkout",
            "see `git log`; in a shallow clone: git fetch --unshallow",
        )
    return found


def branched(root: Path, commit: str) -> Optional[str]:
    """The commit at which another one left the main line; None on the main line itself, or where there is none."""
    found = (_git(root, "merge-base", mainline, commit) for mainline in _MAINLINES)
    return next((base for base in found if base and base != commit), None)


def parent(root: Path, commit: str) -> Optional[str]:
    """The commit before; None before the first one, and where a shallow clone ends."""
    return _git(root, "rev-parse", "--verify", "--quiet", commit + "^1")


@contextlib.contextmanager
def checkout(root: Path, commit: str) -> Iterator[Path]:
    """The code of a commit in a folder that is removed at the end; a SIGKILL leaves it to the next start.

    It is a clone, not a worktree: the user's repository is only read, and what asks git for a version finds an answer
    also where nothing but the folder can be seen. Where the disk allows it the objects are linked, not copied.

    Args:
        root: The project, possibly a folder below the repository's own.
        commit: As ``resolve`` gives it.

    Yields:
        The project's folder in the clone.

    Raises:
        EngineError: Git cannot make it, or the project was not there at that commit.
    """
    top, prefix = _git(root, "rev-parse", "--show-toplevel"), _git(root, "rev-parse", "--show-prefix")
    if top is None or not _COMMIT.fullmatch(commit):
        raise EngineError(f"{root} is in no git repository", "commits need one: git init")
    home = state_folder() / "checkouts"
    home.mkdir(parents=True, exist_ok=True)
    with temporary.folder(home, prefix="commit-") as folder:
        clone = ("clone", "--quiet", "--no-checkout", "--template=", "--upload-pack", _UPLOAD_PACK, "--")
        _must(root, *clone, top, str(folder))
        _must(folder, *_PLAIN, "checkout", "--quiet", "--detach", commit)
        project = folder / (prefix or "")
        if not project.is_dir():
            raise EngineError(f"{prefix} did not exist at commit {commit[:12]}", "name a later commit")
        yield project


def _git(root: Path, *words: str) -> Optional[str]:
    """One line of git's, or None: no such thing."""
    done = process.run(["git", *words], cwd=root, env=git.environment())
    return done.stdout.rstrip("\n") if done.returncode == 0 else None


def _must(root: Path, *words: str) -> None:
    process.run(["git", *words], cwd=root, env=git.environment(), check=True)
