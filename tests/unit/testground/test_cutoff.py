"""As of when dependencies are resolved: the last commit that changed what declares them."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from noxlib.config.models import Config
from noxlib.testground.cutoff import cutoff
from noxlib.testground.lock import checkout_reader
from tests.unit.testground.by_hand import PYPROJECT, make_project

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.config.project import Project


def git(root: Path, *arguments: str, day: int = 1) -> None:
    when = f"2026-01-{day:02}T12:00:00Z"
    author = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org"}
    committer = {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org"}
    dates = {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when}
    environment = {**os.environ, **author, **committer, **dates}
    subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, env=environment)


def commit(root: Path, day: int) -> None:
    git(root, "add", "-A")
    git(root, "commit", "--allow-empty", "-m", "x", day=day)


def since(project: Project) -> str | None:
    return cutoff(project, checkout_reader(project.root))


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Declared on day 1, a comment on day 2, another file on day 3."""
    made = make_project(tmp_path)
    git(made.root, "init")
    commit(made.root, 1)
    (made.root / "pyproject.toml").write_text(PYPROJECT + "# comment\n")
    commit(made.root, 2)
    (made.root / "code.py").write_text("")
    commit(made.root, 3)
    return made


def test_it_is_the_commit_that_changed_a_declaration(project: Project) -> None:
    assert since(project) == "2026-01-01T12:00:00Z"


def test_an_uncommitted_edit_of_another_table_changes_nothing(project: Project) -> None:
    (project.root / "pyproject.toml").write_text(PYPROJECT + "[tool.ruff]\n")
    assert since(project) == "2026-01-01T12:00:00Z"


def test_an_uncommitted_dependency_has_no_date(project: Project) -> None:
    (project.root / "pyproject.toml").write_text(PYPROJECT.replace('"attrs"', '"click"'))
    assert since(project) is None


def test_a_new_declaration_moves_it(project: Project) -> None:
    (project.root / "pyproject.toml").write_text(PYPROJECT.replace('"attrs"', '"click"'))
    commit(project.root, 9)
    assert since(project) == "2026-01-09T12:00:00Z"


def test_it_is_found_behind_more_commits_than_one_page(project: Project) -> None:
    for number in range(40):
        (project.root / "pyproject.toml").write_text(PYPROJECT + f"# {number}\n")
        commit(project.root, 4)
    assert since(project) == "2026-01-01T12:00:00Z"


def test_the_configuration_wins(project: Project, tmp_path: Path) -> None:
    assert since(make_project(tmp_path, config=Config(exclude_newer="2025-05-05"))) == "2025-05-05"


def test_a_shallow_clone_that_ends_before_that_commit_has_no_date(project: Project, tmp_path: Path) -> None:
    git(tmp_path, "clone", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow"))
    assert since(make_project(tmp_path, root=tmp_path / "shallow")) is None


def test_without_git_there_is_no_date(tmp_path: Path) -> None:
    assert since(make_project(tmp_path)) is None
