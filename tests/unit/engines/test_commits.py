"""What a revision names, what a commit is compared with, and its code in a folder that goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.engines import commits
from noxlib.errors import EngineError, UsageError
from noxlib.ledger import Ledger

from .test_git import run


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "a repository ü"
    root.mkdir()
    run(root, "init", "-b", "main")
    for name, content in (("one", "1"), ("two", "2")):
        (root / f"{name}.txt").write_text(content)
        run(root, "add", "-A")
        run(root, "commit", "-m", name)
    return root


@pytest.mark.parametrize("revision", ["HEAD", "main", "HEAD~0", "v1", "@"])
def test_names_of_a_commit_resolve_to_its_id(repository: Path, revision: str) -> None:
    run(repository, "tag", "-a", "-m", "one", "v1")
    head = run(repository, "rev-parse", "HEAD")
    assert commits.resolve(repository, revision) == head
    assert commits.resolve(repository, head[:8]) == head


@pytest.mark.parametrize(
    "revision", ["nothing", "", "--all", "-h", "HEAD^{tree}x", "HEAD..HEAD~1", "a\0b", "$(id)", "HEAD:one.txt", "*"]
)
def test_what_names_no_commit_is_refused_in_two_lines(repository: Path, revision: str) -> None:
    with pytest.raises(UsageError, match="names no commit") as caught:
        commits.resolve(repository, revision)
    assert len(str(caught.value).splitlines()) == 2


def test_a_branch_is_compared_with_where_it_began(repository: Path) -> None:
    began = run(repository, "rev-parse", "HEAD")
    run(repository, "checkout", "-b", "feature")
    run(repository, "commit", "--allow-empty", "-m", "three")
    assert commits.branched(repository, run(repository, "rev-parse", "HEAD")) == began


def test_the_main_line_is_compared_with_the_commit_before(repository: Path) -> None:
    head = run(repository, "rev-parse", "HEAD")
    assert commits.branched(repository, head) is None
    assert commits.parent(repository, head) == run(repository, "rev-parse", "HEAD~1")


def test_the_first_commit_has_none_before(repository: Path) -> None:
    assert commits.parent(repository, run(repository, "rev-parse", "HEAD~1")) is None


def test_the_code_of_a_commit_lies_in_a_folder_that_goes(repository: Path, state: Path) -> None:
    first = run(repository, "rev-parse", "HEAD~1")
    before = run(repository, "status", "--porcelain")
    (repository / "one.txt").write_text("edited")
    with commits.checkout(repository, first) as folder:
        assert (folder / "one.txt").read_text() == "1"
        assert not (folder / "two.txt").exists()
        assert run(folder, "rev-parse", "HEAD") == first
        assert run(folder, "status", "--porcelain") == ""
        assert [entry.kind for entry in Ledger().entries()] == ["folder"]
        kept = folder
    assert not kept.exists()
    assert Ledger().entries() == ()
    assert before == ""
    assert "worktrees" not in [path.name for path in (repository / ".git").iterdir()]


def test_a_folder_below_the_repository_is_the_project(repository: Path) -> None:
    (repository / "sub").mkdir()
    (repository / "sub" / "three.txt").write_text("3")
    run(repository, "add", "-A")
    run(repository, "commit", "-m", "three")
    with commits.checkout(repository / "sub", run(repository, "rev-parse", "HEAD")) as folder:
        assert (folder / "three.txt").read_text() == "3"
    with (
        pytest.raises(EngineError, match="did not exist at commit"),
        commits.checkout(repository / "sub", run(repository, "rev-parse", "HEAD~1")),
    ):
        pass


def test_a_commit_that_no_branch_holds_can_be_had(repository: Path) -> None:
    run(repository, "commit", "--allow-empty", "-m", "three")
    lost = run(repository, "rev-parse", "HEAD")
    run(repository, "reset", "--hard", "HEAD~1")
    with commits.checkout(repository, lost) as folder:
        assert run(folder, "rev-parse", "HEAD") == lost


def test_no_hook_of_the_repository_or_of_a_template_runs(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    for hooks in (repository / ".git" / "hooks", tmp_path / "template" / "hooks"):
        hooks.mkdir(parents=True, exist_ok=True)
        (hooks / "post-checkout").write_text(f"#!/bin/sh\ntouch {mark}\n")
        (hooks / "post-checkout").chmod(0o755)
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    with commits.checkout(repository, run(repository, "rev-parse", "HEAD")):
        pass
    assert not mark.exists()


def test_where_there_is_no_repository_the_line_says_so(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no git repository"), commits.checkout(tmp_path, "a" * 40):
        pass


def test_a_commit_that_is_not_here_is_an_error(repository: Path) -> None:
    with pytest.raises(EngineError, match="git ended with"), commits.checkout(repository, "a" * 40):
        pass
    assert Ledger().entries() == ()
