"""Interpreters are found where people keep them, checked, and remembered."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from noxlib.engines import interpreters
from noxlib.engines.interpreters import Wanted, find, parse, probe
from noxlib.errors import PlaceError

OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH and no pyenv, asdf, mise, rye or uv."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("PYENV_ROOT", "ASDF_DATA_DIR", "MISE_DATA_DIR", "XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR", "RYE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    return tmp_path


def fake(path: Path, *, version: str = "3.99", implementation: str = "cpython", threaded: bool = False) -> Path:
    """A program that answers as an interpreter does, and counts its starts in a file beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = json.dumps(
        {"executable": str(path), "implementation": implementation, "version": version, "threaded": threaded}
    )
    path.write_text(f"#!/bin/sh\necho >> '{path}.starts'\necho '{answer}'\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("name", "wanted", "program"),
    [
        ("3.10", Wanted("cpython", "3.10", threaded=False), "python3.10"),
        ("3.14t", Wanted("cpython", "3.14", threaded=True), "python3.14t"),
        ("pypy3.11", Wanted("pypy", "3.11", threaded=False), "pypy3.11"),
    ],
)
def test_names_are_those_of_uv(name: str, wanted: Wanted, program: str) -> None:
    assert parse(name) == wanted
    assert wanted.program == program


@pytest.mark.parametrize("name", ["", "3", "python3.10", "3.10; rm -rf /", "../3.10"])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(PlaceError, match="is no Python"):
        parse(name)


def test_an_interpreter_tells_what_it_is() -> None:
    found = probe(Path(sys.executable))
    assert found is not None
    assert (found.version, found.implementation) == (OURS, sys.implementation.name)
    assert os.path.realpath(found.executable) == os.path.realpath(getattr(sys, "_base_executable", sys.executable))


def test_it_is_found_on_path(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    assert find("3.99", machine / "state") == path


@pytest.mark.parametrize(
    "place",
    [
        "home/.pyenv/versions/3.99.1/bin/python3.99",
        "home/.asdf/installs/python/3.99.1/bin/python3.99",
        "home/.local/share/mise/installs/python/3.99.1/bin/python3.99",
        "home/.local/share/uv/python/cpython-3.99.1-linux-x86_64-gnu/bin/python3",
    ],
)
def test_it_is_found_where_a_tool_keeps_it(machine: Path, place: str) -> None:
    path = fake(machine / place)
    assert find("3.99", machine / "state") == path


def test_a_shim_that_answers_127_is_passed_over(machine: Path) -> None:
    shim = machine / "bin" / "python3.99"
    shim.write_text("#!/bin/sh\necho 'pyenv: python3.99: command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    path = fake(machine / "home/.pyenv/versions/3.99.1/bin/python3.99")
    assert find("3.99", machine / "state") == path


def test_the_newest_patch_release_of_a_tool_comes_first(machine: Path) -> None:
    fake(machine / "home/.pyenv/versions/3.99.9/bin/python3.99")
    path = fake(machine / "home/.pyenv/versions/3.99.10/bin/python3.99")
    assert find("3.99", machine / "state") == path


def test_another_kind_of_interpreter_does_not_do(machine: Path) -> None:
    fake(machine / "bin" / "python3.99", threaded=True)
    fake(machine / "bin" / "python3", implementation="pypy")
    path = fake(machine / "home/.pyenv/versions/3.99.1/bin/python3.99")
    assert find("3.99", machine / "state") == path


def test_what_was_found_is_remembered_and_not_started_again(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    for _ in range(3):
        find("3.99", machine / "state")
    assert Path(f"{path}.starts").read_text().count("\n") == 1


def test_what_was_removed_or_replaced_is_looked_for_again(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    find("3.99", machine / "state")
    path.unlink()
    other = fake(machine / "home/.pyenv/versions/3.99.1/bin/python3.99")
    assert find("3.99", machine / "state") == other
    os.utime(other, ns=(1, 1))
    assert find("3.99", machine / "state") == other
    assert Path(f"{other}.starts").read_text().count("\n") == 2


def test_another_path_is_searched_anew(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(machine / "bin" / "python3.99")
    find("3.99", machine / "state")
    path = fake(machine / "other" / "python3.99")
    monkeypatch.setenv("PATH", str(machine / "other"))
    assert find("3.99", machine / "state") == path


def test_a_damaged_memory_is_no_harm(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    find("3.99", machine / "state")
    (machine / "state" / "interpreters" / "3.99.json").write_text("{")
    assert find("3.99", machine / "state") == path


def test_where_nothing_can_be_remembered_it_is_found_all_the_same(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    (machine / "state").write_text("no folder")
    assert find("3.99", machine / "state") == path


def test_an_absent_interpreter_is_told_with_the_command_that_installs_it(machine: Path) -> None:
    with pytest.raises(PlaceError, match=r"Python 3\.99 is not on this machine") as caught:
        find("3.99", machine / "state")
    assert caught.value.todo == "install it: uv python install 3.99"
    assert caught.value.cause == "interpreter"


def test_candidates_cost_no_start(machine: Path) -> None:
    path = fake(machine / "bin" / "python3.99")
    assert path in list(interpreters._candidates())
    assert not Path(f"{path}.starts").exists()
