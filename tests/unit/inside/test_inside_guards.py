"""The interpreter is the promised one, and the code under test is the workspace's."""

from __future__ import annotations

import platform
import sys
from typing import TYPE_CHECKING

import pytest

from noxlib.inside import guards

if TYPE_CHECKING:
    from pathlib import Path

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"


def test_this_interpreter_is_what_it_is() -> None:
    assert guards.interpreter(HERE) is None
    assert guards.interpreter(platform.python_version()) is None
    assert guards.interpreter("guest") is None


@pytest.mark.parametrize("wanted", ["3.1", "2.7", f"{HERE}t", f"pypy{HERE}", f"{HERE}.99", "graalpy3.11", "", "latest"])
def test_another_interpreter_is_refused_by_name(wanted: str) -> None:
    problem = guards.interpreter(wanted)
    assert problem is not None
    assert "\n" not in problem
    assert wanted in problem


def test_versions_are_numbers_not_text() -> None:
    assert guards.is_version("3.10", (3, 10, 4))
    assert not guards.is_version("3.1", (3, 10, 4))
    assert guards.is_version("3.10.4", (3, 10, 4, "final", 0))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "workspace/src"
    (folder / "guarded_package").mkdir(parents=True)
    (folder / "guarded_package/__init__.py").write_text("")
    monkeypatch.syspath_prepend(folder)
    return folder


def test_a_package_of_the_workspace_passes(package: Path) -> None:
    assert guards.imports(["guarded_package"], [str(package.parent)]) is None
    assert "guarded_package" not in sys.modules


def test_a_copy_in_site_packages_is_refused_and_named(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "workspace/venv/site-packages/guarded_package/__init__.py"
    copy.parent.mkdir(parents=True)
    copy.write_text("")
    monkeypatch.syspath_prepend(copy.parent.parent)
    problem = guards.imports(["guarded_package"], [str(tmp_path / "workspace")])
    assert problem is not None
    assert str(copy) in problem
    assert "a copy installed in site-packages shadows the workspace" in problem


def test_another_folder_on_the_path_is_refused(package: Path, tmp_path: Path) -> None:
    problem = guards.imports(["guarded_package"], [str(tmp_path / "elsewhere")])
    assert problem is not None
    assert "another folder on sys.path comes first" in problem


def test_a_module_of_the_interpreter_is_refused() -> None:
    problem = guards.imports(["sys"], ["/"])
    assert problem is None or "interpreter itself" in problem
    assert "interpreter itself" in guards.explain("time", "built-in", ["/workspace"])


def test_a_name_that_cannot_be_found_yet_is_left_to_the_next_look(tmp_path: Path) -> None:
    assert guards.imports(["no_such_module_anywhere"], [str(tmp_path)]) is None
    assert guards.imported(["no_such_module_anywhere"], [str(tmp_path)]) == {"no_such_module_anywhere": None}


def test_a_namespace_package_passes_with_one_folder_in_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("one", "two"):
        (tmp_path / place / "guarded_namespace").mkdir(parents=True)
        monkeypatch.syspath_prepend(tmp_path / place)
    assert guards.imports(["guarded_namespace"], [str(tmp_path / "one")]) is None
    assert guards.imports(["guarded_namespace"], [str(tmp_path / "three")]) is not None


def test_a_workspace_reached_by_a_link_is_the_workspace(package: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(package.parent)
    assert guards.imports(["guarded_package"], [str(tmp_path / "link")]) is None


def test_a_sibling_whose_name_only_begins_alike_is_outside(tmp_path: Path) -> None:
    assert not guards.is_below(str(tmp_path / "work-old/a.py"), [str(tmp_path / "work")])
    assert guards.is_below(str(tmp_path / "work/a.py"), [str(tmp_path / "work")])


def test_a_workspace_below_a_site_packages_folder_is_still_one(tmp_path: Path) -> None:
    root = tmp_path / "site-packages/checkout"
    assert guards.is_below(str(root / "a.py"), [str(root)])


def test_what_was_imported_is_checked_by_its_file(tmp_path: Path) -> None:
    assert guards.outside({"absent": None, "here": str(tmp_path / "a.py")}, [str(tmp_path)]) is None
    assert guards.outside({"there": "/elsewhere/a.py"}, [str(tmp_path)]) is not None
