"""What git says of a checkout: its commit, branch and changes, and files at commits."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from noxlib.engines import git

if TYPE_CHECKING:
    from pathlib import Path


def run(root: Path, *arguments: str, day: int = 1) -> str:
    who = {f"GIT_{role}_{key}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    when = {f"GIT_{role}_DATE": f"2026-01-{day:02}T12:00:00Z" for role in ("AUTHOR", "COMMITTER")}
    environment = {**os.environ, **who, **when}
    return subprocess.run(
        ["git", *arguments], cwd=root, check=True, capture_output=True, text=True, env=environment
    ).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    root = tmp_path / "a repository ü"
    root.mkdir()
    run(root, "init", "-b", "main")
    (root / "one.txt").write_text("1")
    run(root, "add", "-A")
    run(root, "commit", "-m", "one")
    (root / "two.txt").write_text("2")
    run(root, "add", "-A")
    run(root, "commit", "-m", "two", day=2)
    return root


def test_a_clean_head(repository: Path) -> None:
    commit = run(repository, "rev-parse", "HEAD")
    assert git.head(repository) == git.Head(commit, "main", dirty=False, changed=())


def test_an_answer_is_of_the_moment_of_the_question_and_may_be_taken_twice(repository: Path) -> None:
    answer = git.ask_head(repository)
    first = answer()
    run(repository, "commit", "--allow-empty", "-m", "three")
    assert first is not None
    assert answer() == first


def test_the_time_of_a_commit_and_of_one_that_is_not_here(repository: Path) -> None:
    assert git.commit_time(repository, "HEAD") == "2026-01-02T12:00:00Z"
    assert git.commit_time(repository, "0" * 40) is None


def test_changed_and_untracked_files_make_it_dirty(repository: Path) -> None:
    (repository / "one.txt").write_text("other")
    (repository / "new file ü.txt").write_text("")
    head = git.head(repository)
    assert head
    assert head.dirty
    assert set(head.changed) == {"one.txt", "new file ü.txt"}


def test_a_renamed_file_is_understood(repository: Path) -> None:
    run(repository, "mv", "one.txt", "three words here.txt")
    head = git.head(repository)
    assert head
    assert set(head.changed) == {"one.txt", "three words here.txt"}


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    run(repository, "checkout", "--detach")
    head = git.head(repository)
    assert head
    assert head.branch is None


def test_on_a_pull_request_it_is_the_heads_commit(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = run(repository, "rev-parse", "HEAD~1")
    event = repository.parent / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"sha": first}}}))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    head = git.head(repository)
    assert head
    assert head.commit == first


@pytest.mark.parametrize("event", ["", "[]", '{"pull_request": {"head": {"sha": "--output=/tmp/x"}}}', "{}"])
def test_an_event_without_a_commit_is_no_pull_request(
    repository: Path, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    (repository.parent / "event.json").write_text(event)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(repository.parent / "event.json"))
    head = git.head(repository)
    assert head
    assert head.commit == run(repository, "rev-parse", "HEAD")


def test_no_repository_no_commit_and_no_git_are_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert git.head(tmp_path) is None
    run(tmp_path, "init")
    assert git.head(tmp_path) is None
    assert git.commit(tmp_path) is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git.head(tmp_path) is None
    assert git.remote_url(tmp_path) is None


def test_the_newest_commit_of_a_path_is_told_with_its_time(repository: Path) -> None:
    def newest(*paths: str) -> list[str]:
        return [when for _, when in git.touching(repository, paths, limit=1)]

    assert newest("one.txt") == ["2026-01-01T12:00:00Z"]
    assert newest("one.txt", "two.txt") == ["2026-01-02T12:00:00Z"]
    assert newest("absent.txt") == newest("*.txt") == []


def test_the_boundary_of_a_shallow_clone_is_told(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    run(tmp_path, "clone", "--depth=1", f"file://{repository}", str(clone))
    assert git.boundary(clone) == {run(repository, "rev-parse", "HEAD")}
    assert git.boundary(repository) == frozenset()


def test_contents_of_files_at_commits(repository: Path) -> None:
    commit = run(repository, "rev-parse", "HEAD")
    wanted = [(commit, "one.txt"), (commit, "no such file"), (commit, "line\nfeed"), (commit, "two.txt"), (commit, "")]
    assert git.contents(repository, wanted) == [b"1", None, None, b"2", None]


def test_contents_are_found_from_a_folder_of_the_repository(repository: Path) -> None:
    (repository / "sub").mkdir()
    (repository / "sub" / "three.txt").write_bytes(b"a\nb\n")
    run(repository, "add", "-A")
    run(repository, "commit", "-m", "three")
    commit = run(repository, "rev-parse", "HEAD")
    assert git.contents(repository / "sub", [(commit, "three.txt")]) == [b"a\nb\n"]


def test_the_remote_is_told_without_its_password(repository: Path) -> None:
    run(repository, "remote", "add", "origin", "https://user:geheim@example.org/a/b.git")
    assert git.remote_url(repository) == "https://example.org/a/b.git"


def test_an_ssh_remote_keeps_its_user() -> None:
    assert git.without_credentials("git@github.com:a/b.git") == "git@github.com:a/b.git"
    assert git.without_credentials("ssh://git@github.com/a/b") == "ssh://git@github.com/a/b"


def test_ignored_names(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.so\n")
    assert git.ignored(repository, ["a.so", "b.py", "sub dir/c.so"]) == {"a.so", "sub dir/c.so"}


def test_a_tag_describes_the_head(repository: Path) -> None:
    run(repository, "tag", "v1.0")
    described = git.describe(repository)
    assert described
    assert described.startswith("v1.0-0-g")


def test_asking_leaves_the_index_alone(repository: Path) -> None:
    (repository / "one.txt").touch()
    before = (repository / ".git" / "index").read_bytes()
    git.head(repository)
    assert (repository / ".git" / "index").read_bytes() == before
