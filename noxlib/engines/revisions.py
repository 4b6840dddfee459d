"""Words for commits, and when commits were made: what git knows of names that others gave. No git is no error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from noxlib.engines.git import _git

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_PATIENCE = 60.0  # seconds for git's remote


def resolve(root: Path, word: str) -> Optional[str]:
    """The commit that a word stands for, an abbreviated id, ``HEAD~2``, a tag; None where git knows none."""
    if "\0" in word:
        return None
    output = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}")
    return output.strip() if output else None


def ancestors(root: Path, commit: str, limit: int) -> tuple[str, ...]:
    """The commits before one, nearest first, at most so many; none where git knows none."""
    output = _git(root, "rev-list", f"--max-count={limit + 1}", "--end-of-options", commit)
    return tuple((output or "").split())[1:]


def times(root: Path, commits: Iterable[str]) -> dict[str, int]:
    """When commits were made, seconds since the epoch; those that this clone does not hold are left out."""
    words = sorted(set(commits))
    known = _git(root, "cat-file", "--batch-check=%(objectname) %(objecttype)", text="".join(f"{w}\n" for w in words))
    here = [line.split(" ")[0] for line in (known or "").splitlines() if line.endswith(" commit")]
    if not here:
        return {}
    told = _git(root, "log", "--no-walk=unsorted", "--stdin", "--format=%H %ct", text="".join(f"{w}\n" for w in here))
    return {line.split(" ")[0]: int(line.split(" ")[1]) for line in (told or "").splitlines()}


def has_all_branches(root: Path) -> bool:
    """Whether a commit that this clone does not know is on no branch: it has each one of its remote, whole, by now.

    A repository without a remote has all that there are. No git, no answer of the remote: then nobody knows.
    """
    if (_git(root, "rev-parse", "--is-shallow-repository") or "").strip() != "false":
        return False
    if _git(root, "remote") == "":
        return True
    told = _git(root, "ls-remote", "--heads", timeout=_PATIENCE)
    heads = {line.split("\t")[0] for line in (told or "").splitlines()}
    return bool(heads) and heads == set(times(root, heads))
