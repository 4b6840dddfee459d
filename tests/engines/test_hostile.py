"""Names that are commands, folders that lead elsewhere, options of the same name: nothing of it does harm."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import pytest

from noxlib.records import store

from .checks import commit_all, git, told, tree
from .conftest import Nox

Adopt = Callable[..., Nox]
PLACES = ["container", "venv"]
COMMANDS = ["$(touch injected)", "; touch injected ;", "`touch injected`", "a\ntouch injected\n"]
OPTIONS = """
def pytest_addoption(parser):
    parser.addoption("--place", default="none")
    parser.addoption("--keep", action="store_true")
    parser.addoption("--dry-run", action="store_true")
"""

pytestmark = [pytest.mark.docker]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_projects_name_that_is_a_command_is_refused(adopt: Adopt, name: str) -> None:
    nox = adopt("flat")
    file = nox.folder / "pyproject.toml"
    file.write_text(file.read_text().replace('name = "flat-numbers"', f"name = {name!r}".replace("'", '"')))
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 2
    assert "project.name: expected a name of letters" in ended.output
    assert not list(nox.folder.rglob("injected"))


@pytest.mark.parametrize(
    "configuration",
    [
        'extras = ["test; touch injected"]',
        'groups = ["$(touch injected)"]',
        'apt = ["git; touch injected"]',
        'pythons = ["3.10; touch injected"]',
        'image = "a; touch injected"',
        'packages = ["iniconfig; touch injected"]',
    ],
)
def test_a_value_that_is_a_command_is_refused(adopt: Adopt, configuration: str) -> None:
    nox = adopt("flat", configuration)
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE="container")
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert configuration.partition(" ")[0] in ended.output
    assert not list(nox.folder.rglob("injected"))


@pytest.mark.parametrize("place", PLACES)
def test_names_of_files_branches_and_tests_are_never_a_shells(adopt: Adopt, place: str) -> None:
    nox = adopt("flat", 'requirements = ["req $(touch injected).txt"]\n[unit]\nenv = {X = "$(touch injected)"}\n')
    (nox.folder / "req $(touch injected).txt").write_text("iniconfig\n")
    for number, command in enumerate(COMMANDS):
        (nox.folder / "tests" / f"{command}.txt").write_text("data")
        (nox.folder / "tests" / f"test_{number} {command}.py").write_text(
            "import os, pathlib\n\ndef test_it():\n"
            "    assert os.environ['X'] == '$(touch injected)'\n"
            "    assert not list(pathlib.Path.cwd().rglob('injected')) + list(pathlib.Path('/').glob('injected'))\n"
        )
    commit_all(nox.folder, "$(touch${IFS}injected)")
    ended = nox("-s", "unit-3.10", "--", "--place", place, "-k", "it")
    assert ended.code == 0, ended.output
    assert nox.record.counts.passed == len(COMMANDS)
    assert nox.record.source.branch == "$(touch${IFS}injected)"
    assert not list(nox.folder.parent.rglob("injected"))


@pytest.mark.parametrize("place", PLACES)
def test_a_conftest_with_options_of_our_names_keeps_them(adopt: Adopt, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "conftest.py").write_text(OPTIONS)
    (nox.folder / "tests" / "test_double.py").write_text(
        "def test_options(request):\n"
        "    chosen = [request.config.getoption(name) for name in ('--place', '--keep', '--dry-run')]\n"
        "    assert chosen == ['moon', True, True]\n"
    )
    ended = nox("-s", "unit-3.10", "--", "--place", place, "--", "--place", "moon", "--keep", "--dry-run")
    assert ended.code == 0, ended.output
    assert nox.record.counts.passed == 1
    assert nox.record.place
    assert nox.record.place.name == place


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", ["file", "link", "link of runs"])
def test_our_folder_that_is_no_folder_is_left_alone(adopt: Adopt, tmp_path: Path, place: str, kind: str) -> None:
    nox = adopt("flat")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    own = nox.folder / ".noxlib"
    if kind == "file":
        own.write_text("mine")
    elif kind == "link":
        own.symlink_to(elsewhere)
    else:
        own.mkdir()
        (own / "runs").symlink_to(elsewhere)
    before = tree(nox.folder)
    ended = nox("-s", "unit-3.10", "--", "--place", place)
    assert ended.code == 0, ended.output
    assert nox.record.outcome == "passed"
    assert nox.folder not in store.runs(nox.folder)[0].path.parents
    assert list(elsewhere.iterdir()) == []
    assert tree(nox.folder) == before
    assert kind != "file" or own.read_text() == "mine"


@pytest.mark.parametrize("name", ["flat", "setuptools_scm"])
def test_a_shallow_clone_is_a_checkout_like_others(adopt: Adopt, name: str) -> None:
    nox = adopt(name)
    (nox.folder / ".gitignore").write_text("_version.py\n.noxlib/\n")
    commit_all(nox.folder)
    git(nox.folder, "tag", "v1.2.3")
    git(nox.folder, "commit", "-q", "--allow-empty", "-m", "later")
    head = git(nox.folder, "rev-parse", "HEAD").strip()
    clone = Nox(nox.folder.parent / "clone", nox.environment)
    git(nox.folder.parent, "clone", "-q", "--depth", "1", f"file://{nox.folder}", "clone")
    ended = clone("-s", "unit-3.10")
    assert ended.code == 0, ended.output
    assert (clone.record.source.commit, clone.record.source.dirty) == (head, False)
