"""The step ``docs``: the builder's command where nox's own environment has none."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.sessions import docs, tools
from noxlib.sessions.context import Context

PROJECT = '[project]\nname = "a"\nversion = "1"\n'


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Context:
    monkeypatch.setattr(tools, "find_spec", lambda _: None)
    (tmp_path / "docs").mkdir()
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    return Context("docs", "docs", "", "", tmp_path)


def words(context: Context, capsys: pytest.CaptureFixture[str]) -> list[str]:
    docs.run(Context("docs", "docs", "", "", context.root, ("--dry-run",)))
    return capsys.readouterr().out.split()


def test_sphinx_is_started_by_its_commands_own_name(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    (context.root / "docs" / "conf.py").touch()
    command = words(context, capsys)
    assert command[1:6] == ["tool", "run", "--from", "sphinx", "sphinx-build"]


def test_mkdocs_is_started_where_there_is_no_sphinx(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    (context.root / "mkdocs.yml").touch()
    assert words(context, capsys)[3:7] == ["--from", "mkdocs", "mkdocs", "build"]


@pytest.mark.parametrize(
    ("declared", "needed"),
    [
        ('[dependency-groups]\ndocs = ["furo", {include-group = "test"}]\n', ["--with", "furo"]),
        ('[project.optional-dependencies]\ndoc = ["furo>=1", "x"]\n', ["--with", "furo>=1", "--with", "x"]),
        ("", []),
    ],
)
def test_what_the_pages_need_comes_from_the_project(
    context: Context, capsys: pytest.CaptureFixture[str], declared: str, needed: list[str]
) -> None:
    (context.root / "docs" / "conf.py").touch()
    (context.root / "pyproject.toml").write_text(PROJECT + declared)
    command = words(context, capsys)
    assert command[3 : command.index("--from")] == needed


def test_a_file_of_requirements_counts_before_all(context: Context, capsys: pytest.CaptureFixture[str]) -> None:
    (context.root / "docs" / "conf.py").touch()
    (context.root / "docs" / "requirements.txt").write_text("furo\n")
    assert words(context, capsys)[3:5] == ["--with-requirements", str(context.root / "docs" / "requirements.txt")]
