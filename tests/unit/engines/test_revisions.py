"""Whether a clone can say of a commit that it does not know that it is on no branch; against real git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from noxlib.engines import revisions

GIT = ("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *words: str) -> str:
    return subprocess.run((*GIT, *words), cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "commit", "-qm", "more", "--allow-empty")
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "-q")
    commit(folder)
    commit(folder)
    return folder


def clone(origin: Path, name: str, *words: str) -> Path:
    git(origin.parent, "clone", "-q", *words, origin.as_uri(), name)
    return origin.parent / name


def test_a_whole_clone_knows_all_until_something_is_pushed_and_again_when_that_is_fetched(origin: Path) -> None:
    here = clone(origin, "here")
    assert revisions.has_all_branches(here)
    git(origin, "checkout", "-qb", "feat/a")
    pushed = commit(origin)
    assert not revisions.has_all_branches(here)
    git(here, "fetch", "-q")
    assert revisions.has_all_branches(here)
    git(origin, "checkout", "-q", "main")
    git(origin, "branch", "-qD", "feat/a")
    later = clone(origin, "later")
    assert revisions.has_all_branches(later)
    assert revisions.times(later, [pushed]) == {}


def test_a_clone_of_one_branch_or_of_a_few_commits_does_not_know_all(origin: Path) -> None:
    git(origin, "checkout", "-qb", "feat/a")
    commit(origin)
    assert not revisions.has_all_branches(clone(origin, "one", "--single-branch", "--branch", "main"))
    assert not revisions.has_all_branches(clone(origin, "few", "--depth", "1", "--no-single-branch"))


def test_what_has_no_remote_knows_all_and_what_cannot_be_asked_does_not(origin: Path, tmp_path: Path) -> None:
    here = clone(origin, "here")
    assert revisions.has_all_branches(origin)
    shutil.rmtree(origin)
    assert not revisions.has_all_branches(here)
    assert not revisions.has_all_branches(tmp_path)
