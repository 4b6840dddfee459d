"""Which two sides are compared, and what the options may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.config.detect import load_project
from noxlib.errors import UsageError
from noxlib.sessions import perf_compare, sides
from noxlib.sessions.arguments import Arguments
from noxlib.sessions.context import Context
from tests.unit.engines.test_git import run


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    run(tmp_path, "init", "-b", "main")
    for number in ("1", "2", "3"):
        (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'p'\nversion = '{number}'\n")
        run(tmp_path, "add", "-A")
        run(tmp_path, "commit", "-m", number)
    return tmp_path


def commit(root: Path, revision: str) -> str:
    return run(root, "rev-parse", revision)


def test_on_the_main_line_the_last_two_commits_are_compared(repository: Path) -> None:
    base, head = sides.choose(repository, ())
    assert (base.commit, head.commit) == (commit(repository, "HEAD~1"), commit(repository, "HEAD"))


def test_uncommitted_changes_are_compared_with_their_commit(repository: Path) -> None:
    (repository / "new.txt").write_text("new")
    base, head = sides.choose(repository, ())
    assert (base.commit, head.commit, head.shown) == (commit(repository, "HEAD"), None, "working tree")


def test_a_branch_is_compared_with_where_it_began(repository: Path) -> None:
    run(repository, "checkout", "-b", "feature")
    run(repository, "commit", "--allow-empty", "-m", "4")
    run(repository, "commit", "--allow-empty", "-m", "5")
    base, head = sides.choose(repository, ())
    assert (base.commit, head.commit) == (commit(repository, "main"), commit(repository, "HEAD"))


def test_both_sides_may_be_named(repository: Path) -> None:
    (repository / "new.txt").write_text("new")
    base, head = sides.choose(repository, ("HEAD~2", "main"))
    assert (base.commit, head.commit) == (commit(repository, "HEAD~2"), commit(repository, "main"))
    assert sides.choose(repository, ("HEAD~2",))[1].commit is None


def test_a_side_is_shown_as_the_user_called_it(repository: Path) -> None:
    base, head = sides.choose(repository, ("HEAD~2", commit(repository, "main")[:10]))
    assert base.shown == f"{commit(repository, 'HEAD~2')[:12]} (HEAD~2)"
    assert head.shown == commit(repository, "main")[:12]


def test_without_a_commit_there_is_nothing_to_compare(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no commit to compare with"):
        sides.choose(tmp_path, ())
    run(tmp_path, "init")
    with pytest.raises(UsageError, match="no commit to compare with"):
        sides.choose(tmp_path, ())


def test_a_first_commit_has_nothing_to_be_compared_with(tmp_path: Path) -> None:
    run(tmp_path, "init", "-b", "main")
    run(tmp_path, "commit", "--allow-empty", "-m", "1")
    with pytest.raises(UsageError, match="no commit to compare with"):
        sides.choose(tmp_path, ())


def wanted(root: Path, *rest: str, **values: Any) -> perf_compare.Wanted:
    context = Context("perf_compare", "perf_compare", "", "", root)
    options: dict[str, Any] = {
        "rounds": None,
        "threshold": None,
        "command": [],
        "python": None,
        "json": None,
        "dry_run": False,
    }
    return perf_compare._wanted(context, load_project(root), Arguments({**options, **values}, rest))


def test_the_defaults(repository: Path) -> None:
    found = wanted(repository)
    assert (found.rounds, found.threshold, found.commands, found.pytest) == (10, 5.0, (), ())


def test_commands_are_split_as_a_shell_would_and_words_go_to_pytest(repository: Path) -> None:
    found = wanted(repository, "HEAD~1", "--", "-k", "x", command=["a 'b c'", "d"], threshold="2.5", rounds="20")
    assert (found.commands, found.threshold, found.rounds) == ((("a", "b c"), ("d",)), 2.5, 20)
    assert found.pytest == ("-k", "x")


@pytest.mark.parametrize(
    "values",
    [
        {"rounds": "4"},
        {"rounds": "x"},
        {"rounds": "5.5"},
        {"rounds": "1001"},
        {"threshold": "-1"},
        {"threshold": "nan"},
        {"threshold": "many"},
        {"command": [""]},
        {"command": ["a 'b"]},
        {"python": "2.7"},
    ],
    ids=str,
)
def test_what_an_option_cannot_be_is_refused_in_two_lines(repository: Path, values: dict[str, Any]) -> None:
    with pytest.raises(UsageError) as caught:
        wanted(repository, **values)
    assert len(str(caught.value).splitlines()) == 2
