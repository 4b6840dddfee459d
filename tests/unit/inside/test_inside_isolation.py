"""Isolated workspaces, values made once for all workers, and what tests leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles
from noxlib.config.models import Config
from noxlib.inside import registered
from noxlib.inside.isolation import isolated
from noxlib.inside.once import Once
from noxlib.inside.registered import Registered, began, sweep
from tests.unit.inside.test_inside_run import go_on

StartRun = Callable[..., Any]  # see conftest.py
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]


def profile() -> dict[str, Any]:
    """The environment ``local`` of a project with a variable of its own."""
    config = Config(workspace={"cache": ("TELLUS_CACHE",)})
    found: dict[str, Any] = msgspec.to_builtins(profiles.choose(config, "local", {}))
    return {**found, "level": "", "test_timeout": 600.0}


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    (folder / "temp").mkdir(parents=True)
    return folder


@pytest.fixture
def isolation(run: StartRun, notes: Path) -> Callable[..., Any]:
    """Run a file of the project ``isolation``."""

    def run_file(file: str, *words: str) -> Any:
        variables = {"NOTES": str(notes), "ELSEWHERE": str(notes), "TMPDIR": str(notes / "temp")}
        return run("isolation", *words, paths=[file], profile=profile(), environment=variables)

    return run_file


LEFT = {
    "test_leaves_a_process": "the process python",
    "test_leaves_a_process_whose_parent_has_ended": "the process sleep",
    "test_leaves_a_port": "the listening port ",
    "test_leaves_a_thread": "the thread forgotten",
    "test_changes_a_variable": "the variable FORGOTTEN",
    "test_loses_a_variable": "the variable LOST",
    "test_leaves_a_file": "the file ",
}


def of_tests(done: Any) -> list[dict[str, str]]:
    """What single tests left: in a container all that is written meanwhile is the session's."""
    return [leak for leak in done.result["leaks"] if leak["test"]]


def test_what_tests_leave_behind_is_named(isolation: Callable[..., Any]) -> None:
    done = isolation("test_leaks.py", "--leaks=report")
    assert "hunter22" not in done.output
    assert done.code == 0, done.output
    told = {leak["test"].partition("::")[2]: leak["what"] for leak in of_tests(done)}
    assert set(told) == set(LEFT), done.output
    assert [name for name, what in LEFT.items() if what not in told[name]] == []
    assert "left behind" in done.output


def test_after_a_crash_what_tests_left_before_is_named(isolation: Callable[..., Any]) -> None:
    done = isolation("test_leaks.py", "--leaks=report", "-k", "thread or variable")
    left = of_tests(done)
    assert left
    go_on(done)
    assert of_tests(done) == left


def test_what_tests_leave_behind_in_a_worker_fails_them_if_asked_for(isolation: Callable[..., Any]) -> None:
    done = isolation("test_leaks.py", "--noxlib-leaks=fail", "-p", "xdist.plugin", "-n1")
    assert "hunter22" not in done.output
    assert done.counts == {"passed": 9, "errors": 7}, done.output
    failures = {failure["id"].partition("::")[2]: failure["message"] for failure in done.result["failures"]}
    assert set(failures) == set(LEFT)
    assert len(of_tests(done)) == len(LEFT)


def test_nothing_is_looked_for_unless_somebody_asks(isolation: Callable[..., Any]) -> None:
    done = isolation("test_leaks.py", "-k", "variable")
    assert (done.code, done.result["leaks"]) == (0, [])


def test_a_workspace_is_the_tests_own_and_leaves_nothing(isolation: Callable[..., Any], notes: Path) -> None:
    done = isolation("test_workspace.py", "-k", "not kill")
    assert done.counts == {"passed": 2, "failed": 1, "deselected": 1}, done.output
    assert not (notes / "outside").exists()
    assert began(int((notes / "pid").read_text())) == ""


def test_after_a_kill_the_next_start_removes_what_was_registered(
    isolation: Callable[..., Any], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = isolation("test_workspace.py", "-k", "kill")
    assert done.code == -9
    pid = int((notes / "killed").read_text())
    assert began(pid)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(notes / "temp"))
    assert sweep() == 2
    assert not (notes / "killed").exists()
    assert registered_files(notes) == []


def registered_files(notes: Path) -> list[str]:
    return [path.name for path in (notes / "temp").glob("noxlib-registered-*/*.jsonl")]


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n3")])
def test_a_value_is_made_once_and_taken_down_by_the_last(
    isolation: Callable[..., Any], notes: Path, words: tuple[str, ...]
) -> None:
    done = isolation("test_once.py", *words)
    assert done.counts == {"passed": 9}, done.output
    lines = (notes / "once").read_text().splitlines()
    for made, gone in (("made", "taken down 1"), ("other made", "other taken down")):
        assert (lines.count(made), lines.count(gone)) == (1, 1), lines
        assert lines.index(gone) > max(index for index, line in enumerate(lines) if line == "used")
    assert not (done.folder / "result" / "once").exists()


def test_a_value_of_a_process_that_a_test_ended_is_made_anew(
    isolation: Callable[..., Any], notes: Path, tmp_path: Path
) -> None:
    left = tmp_path / "result" / "once" / "other.json"
    left.parent.mkdir(parents=True)
    left.write_text(json.dumps({"users": ["1-1"], "value": "of a server that is gone"}))
    done = isolation("test_once.py")
    assert done.counts == {"passed": 9}, done.output
    assert (notes / "once").read_text().splitlines().count("other made") == 1


@pytest.mark.parametrize("names", [("a b", "a-b"), ("größe", "grüße"), ("x" * 300, "x" * 301)])
def test_values_of_two_names_are_two_values(names: tuple[str, str], tmp_path: Path) -> None:
    shared = Once(tmp_path)
    with shared(names[0], lambda: 1) as one, shared(names[1], lambda: 2) as other:
        assert (one, other) == (1, 2)


@pytest.mark.parametrize("damaged", ['{"path": "/cu{"path": "/there"}\n', '{"pid": "x"}\n', "[1]}\n"])
def test_a_note_that_cannot_be_read_keeps_nothing_else_from_going(damaged: str, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    file = tmp_path / "1-1.tests.jsonl"
    file.write_text(damaged + json.dumps({"path": str(there)}) + "\n")
    assert sweep(tmp_path) == 1
    assert not there.exists()
    assert not file.exists()


def test_a_path_that_cannot_be_removed_keeps_nothing_else_from_going(tmp_path: Path) -> None:
    own = Registered(tmp_path)
    for path in (tmp_path / "there", Path("/proc/self/status"), Path("/proc/version")):
        own.path(path)
    (tmp_path / "there").touch()
    with pytest.raises(OSError, match="/proc/"):
        own.clean()
    assert list(tmp_path.iterdir()) == []


def test_the_environment_is_as_before_where_the_current_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("current", "own"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "current")
    before, temporary = dict(os.environ), tempfile.tempdir
    stack = contextlib.ExitStack()
    workspace = stack.enter_context(isolated(tmp_path / "own", {}))
    workspace.register(tmp_path / "outside").touch()
    (tmp_path / "current").rmdir()
    with pytest.raises(FileNotFoundError):
        stack.close()
    assert (dict(os.environ), tempfile.tempdir) == (before, temporary)
    assert not (tmp_path / "outside").exists()


def test_what_lives_is_not_swept(tmp_path: Path) -> None:
    own = Registered(tmp_path)
    own.path(tmp_path / "there")
    (tmp_path / "there").mkdir()
    assert sweep(tmp_path) == 0
    assert (tmp_path / "there").exists()
    own.clean()
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_another_time_is_not_the_one_that_was_noted(tmp_path: Path) -> None:
    with subprocess.Popen(SLEEP, start_new_session=True) as process:
        dead = tmp_path / "1-1.jsonl"
        dead.write_text(json.dumps({"pid": process.pid, "began": "1"}) + "\n" + '{"pid": 1, "beg')
        assert sweep(tmp_path) == 0
        assert process.poll() is None
        dead.write_text(json.dumps({"pid": process.pid, "began": began(process.pid)}) + "\n")
        assert sweep(tmp_path) == 1
        assert process.wait() == -9
    assert not dead.exists()


def test_a_session_that_was_killed_is_over_though_nobody_waited_for_it(tmp_path: Path) -> None:
    process = subprocess.Popen(SLEEP)
    start, notes = began(process.pid), tmp_path / f"{process.pid}-{began(process.pid)}.jsonl"
    notes.write_text("")
    assert registered.alive(process.pid, start)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert began(process.pid) == start
    assert sweep(tmp_path) == 0
    assert not notes.exists()
    process.wait()


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / f"noxlib-registered-{os.getuid()}").symlink_to(tmp_path)
    with pytest.raises(PermissionError, match="belongs to somebody else"):
        registered.shared_folder()
