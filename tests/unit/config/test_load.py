"""Loading the configuration: where it may stand, and files that hold none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.config.load import find_root
from noxlib.config.models import Config, SuiteConfig

from .loading import failure, load


def test_without_any_file_the_configuration_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path) == Config()


def test_the_table_of_pyproject_is_read(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\npythons = ["3.12"]\n[tool.noxlib.unit]\ntimeout = 60\n')
    assert load(root) == Config(pythons=("3.12",), unit=SuiteConfig(timeout=60.0))


def test_noxlib_toml_holds_the_same_keys_at_its_top(make_project: Any) -> None:
    root = make_project("[tool.other]\n", {"noxlib.toml": 'place = "venv"\n[unit]\nargs = ["-x"]\n'})
    assert load(root) == Config(place="venv", unit=SuiteConfig(args=("-x",)))


def test_two_files_with_content_are_one_too_many(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\n', {"noxlib.toml": 'place = "venv"\n'})
    assert failure(root) == "both noxlib.toml and pyproject.toml's [tool.noxlib] configure noxlib"


def test_a_noxlib_toml_of_comments_is_no_second_configuration(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\n', {"noxlib.toml": "# nothing\n"})
    assert load(root).place == "venv"


def test_invalid_toml_names_file_line_and_message(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv\n')
    assert failure(root).startswith("pyproject.toml: line 2, column ")


@pytest.mark.parametrize("text", ["tool = 3\n", "[tool]\nnoxlib = []\n", "a = " + "[" * 5000])
def test_a_malformed_file_is_one_line_too(text: str, make_project: Any) -> None:
    root = make_project(text)
    if text == "tool = 3\n":
        assert failure(root) == "pyproject.toml: tool.noxlib: expected a table, found 3"
    else:
        assert failure(root).startswith("pyproject.toml: ")


def test_a_file_that_is_not_utf_8_names_its_line(make_project: Any) -> None:
    root = make_project("[project]\n")
    (root / "pyproject.toml").write_bytes(b"a = 1\n# \xff\n")
    assert failure(root) == "pyproject.toml: line 2 is not UTF-8"


def test_a_folder_called_pyproject_toml_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").mkdir()
    assert failure(tmp_path) == "pyproject.toml cannot be read: Is a directory"


def test_a_date_of_toml_is_as_good_as_a_string(make_project: Any) -> None:
    assert load(make_project("[tool.noxlib]\nexclude_newer = 2025-01-31\n")).exclude_newer == "2025-01-31"


@pytest.mark.parametrize("mark", ["pyproject.toml", "setup.py", "setup.cfg", "noxfile.py", ".git"])
def test_the_root_is_the_nearest_folder_with_a_mark(mark: str, tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / mark).touch()
    assert find_root(inner) == tmp_path.resolve() / "a"
