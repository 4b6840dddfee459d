"""The fixture ``storage`` as far as it needs no driver: names, faults, folders that others left, the tape library."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles
from noxlib.inside import options, storage, storage_faults, storage_owner
from noxlib.inside.registered import Registered, began, sweep
from noxlib.inside.storage_tape import Library, Times

StartRun = Callable[..., Any]  # see conftest.py
TESTS = "tests/integration/"


def of(name: str, **values: Any) -> dict[str, Any]:
    """A profile as a task has it."""
    found: dict[str, Any] = msgspec.to_builtins(profiles.defaults()[name])
    return {**found, "reason": "by the test", "level": "basic", "test_timeout": 600.0, **values}


@pytest.fixture
def bare(run: StartRun, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StartRun:
    """A run where fsspec cannot be imported."""
    (tmp_path / "absent").mkdir()
    (tmp_path / "absent" / "fsspec.py").write_text("raise ModuleNotFoundError('no fsspec', name='fsspec')\n")
    path = f"{tmp_path}/absent:{tmp_path}/workspace/src"
    return lambda *words, **task: run("storage", *words, environment={"PYTHONPATH": path}, **task)


def test_a_driver_that_is_missing_is_told_in_two_lines(bare: StartRun) -> None:
    done = bare(paths=[TESTS + "test_runstore.py"], profile=of("local"))
    assert (done.code, done.counts) == (1, {"errors": 4, "skipped": 1}), done.output
    assert "the storage backend file cannot be used: fsspec is not installed here" in done.output
    assert '\n  add "storage" to fixtures of [tool.noxlib], or install noxlib[storage]' in done.output
    assert "Traceback" not in done.output


def test_a_test_runs_once_for_each_backend_and_where_it_is_marked_for_some_for_those(bare: StartRun) -> None:
    done = bare(paths=[TESTS + "test_runstore.py"], profile=of("local", backends=["file", "mock_tape"]))
    ids = {failure["id"].partition("::")[2] for failure in done.result["failures"]}
    assert "test_a_result_is_read_as_it_was_stored[file]" in ids
    assert "test_a_result_is_read_as_it_was_stored[mock_tape]" in ids
    assert "test_a_run_is_recalled_in_the_order_of_the_tape[mock_tape]" in ids
    assert "test_a_run_is_recalled_in_the_order_of_the_tape[file]" not in ids


def test_a_test_for_a_backend_that_the_environment_has_not_says_which_value_did_it(bare: StartRun) -> None:
    done = bare(paths=[TESTS + "test_tape.py"], profile=of("ci"))
    assert (done.code, done.counts) == (0, {"skipped": 8}), done.output
    assert done.result["profile"]["skipped"] == {"backends = file, mock_ssh; not mock_tape": 8}


def test_an_unknown_backend_is_told_with_the_nearest_one(bare: StartRun) -> None:
    done = bare("--backend", "mock-ssg", paths=[TESTS + "test_runstore.py"], profile=of("local"))
    assert "there is no storage backend 'mock-ssg'; did you mean mock_ssh?" in done.output
    assert "\n  the backends are file, mock_ssh, ssh, s3, mock_tape" in done.output


@pytest.mark.parametrize("name", ["", "S3", "tape", "mock-ssh"])
def test_only_the_names_of_backends_are_names(name: str) -> None:
    with pytest.raises(storage.Refused, match="did you mean"):
        storage.find(name)


def test_every_backend_of_the_environments_is_there() -> None:
    assert {name for profile in profiles.defaults().values() for name in profile.backends} == set(storage.BACKENDS)


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("melted", {}, "cannot fail by 'melted'; there are down, slow"),
        ("down", {"after": 3}, "the fault down has no 'after'; it has no values"),
        ("slow", {"after": 3}, "the fault slow has no 'after'; it has latency"),
        ("cut", {"after": -1}, "after must be a whole number of bytes, found -1"),
        ("full", {"after": 1.5}, "after must be a whole number of bytes, found 1.5"),
        ("slow", {"latency": float("nan")}, "latency must be a number of 0 or more, found nan"),
        ("slow", {"latency": "1"}, "latency must be a number of 0 or more, found '1'"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(kind: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        storage_faults.fault(kind, values)


@pytest.mark.parametrize(
    ("kind", "refused"),
    [
        ("down", {"ls", "info", "open", "pipe_file", "rm", "copy"}),
        ("denied", {"open", "pipe_file", "rm", "copy"}),
        ("full", {"copy"}),
        ("slow", set()),
    ],
)
def test_a_fault_meets_the_operations_that_it_is_about(kind: str, refused: set[str]) -> None:
    fault, pauses, found = storage_faults.fault(kind, {}), list[float](), dict[str, Any]()
    for operation in ("ls", "info", "open", "pipe_file", "rm", "copy"):
        try:
            fault.meet(operation, "a.bin", pauses.append)
        except OSError as error:
            found[operation] = (error.errno, error.filename)
    assert found == dict.fromkeys(refused, (storage_faults.KINDS[kind], "a.bin"))
    assert pauses == ([0.5] * 6 if kind == "slow" else [])


def test_what_is_too_much_for_a_disk_does_not_reach_it() -> None:
    there = io.BytesIO()
    file = storage_faults.Counted(there, storage_faults.fault("full", {"after": 5}), "a.bin")
    assert file.write(b"123") == 3
    with pytest.raises(OSError, match=r"a\.bin") as caught:
        file.write(b"4567")
    assert (caught.value.errno, there.getvalue()) == (errno.ENOSPC, b"12345")
    assert storage_faults.Counted(io.BytesIO(b"123456"), storage_faults.fault("full", {}), "a.bin").read() == b"123456"


def test_what_comes_after_a_cut_is_not_read() -> None:
    file = storage_faults.Counted(io.BytesIO(b"1\n2\n3\n"), storage_faults.fault("cut", {"after": 4}), "a.bin")
    lines = iter(file)
    assert [next(lines), next(lines)] == [b"1\n", b"2\n"]
    with pytest.raises(OSError, match=r"a\.bin"):
        next(lines)


def test_a_secret_is_not_shown_by_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "hunter22")
    found = options.secret("env:A_SECRET")
    assert (found, "hunter22" in repr({"key": found})) == ("hunter22", False)


class Remote:
    """As much of a file system of fsspec as sweeping needs."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)

    def ls(self, path: str, detail: bool) -> list[str]:
        if not self.names:
            raise FileNotFoundError(path)
        return [f"{path}/{name}" for name in self.names]

    def rm(self, path: str, recursive: bool) -> None:
        self.names.remove(path.rpartition("/")[2])


def folder_of(pid: int, start: str, machine: str = "", until: int = 1 << 40) -> str:
    return f"{until}-{machine or storage_owner.machine()}-{pid}-{start}-00000000"


def test_a_folder_goes_when_its_process_has_ended_or_its_time_is_over() -> None:
    process = subprocess.Popen([sys.executable, "-c", ""])
    start = began(process.pid)
    process.wait()
    mine, elsewhere = storage_owner.name(), folder_of(1, "1", "0" * 12)
    dead, over = folder_of(process.pid, start), folder_of(os.getpid(), began(os.getpid()), "0" * 12, 1)
    remote = Remote(mine, elsewhere, dead, over, "somebody's", f"{mine}.part")
    assert storage_owner.sweep(remote, "home/noxlib-storage") == 2
    assert remote.names == [mine, elsewhere, "somebody's", f"{mine}.part"]
    assert storage_owner.sweep(Remote(), "home/noxlib-storage") == 0


def test_a_folders_time_is_that_of_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = {"python": "3.11", "workspace": ".", "result": "result", "timeout": 60}
    (tmp_path / "task.json").write_text(json.dumps(task))
    monkeypatch.setenv("NOXLIB_TASK", str(tmp_path / "task.json"))
    short = int(storage_owner.name().partition("-")[0])
    monkeypatch.delenv("NOXLIB_TASK")
    assert int(storage_owner.name().partition("-")[0]) - short > 80_000


def test_two_that_note_things_in_one_process_do_not_forget_each_others(tmp_path: Path) -> None:
    tests, server = Registered(tmp_path), Registered(tmp_path, "s3")
    tests.path(tmp_path / "a")
    server.path(tmp_path / "b")
    tests.clean()
    assert sweep(tmp_path) == 0
    assert server.file.exists()


@pytest.fixture
def library() -> Library:
    """Twenty files on one tape, by number, with nothing in its drive."""
    found = Library()
    for number in range(20):
        found.archive(str(number), 1000)
    found.drives[0].cartridge, found.drives[0].head = None, 0
    return found


def cost(library: Library, files: list[str]) -> float:
    began = library.clock.now
    for file in files:
        library.wait(file)
        assert library.state(file) == "online"
    for file in files:
        library.archive(file, 1000)
    return library.clock.now - began


def test_files_in_the_wrong_order_cost_five_times_as_much(library: Library) -> None:
    right = [str(number) for number in range(20)]
    orders = [right[::-1], right[1::2] + right[::2][::-1], [right[at ^ 1] for at in range(20)]]
    ordered = cost(library, right)
    assert ordered == pytest.approx(30 + 20 * 0.5, abs=0.01)  # a mount, and no winding
    assert all(cost(library, wrong) >= 5 * ordered for wrong in orders)
    assert library.order(reversed(right)) == right


def test_a_drive_does_one_thing_after_the_other_and_two_do_two() -> None:
    for drives, waits in ((1, True), (2, False)):
        library = Library(drives, Times(mount=30, unmount=20, settle=0, wind=0, file=1))
        library.archive("a", 0)
        library.add_cartridge()
        library.archive("b", 0)
        now = library.clock.now
        first, second = library.recall("a") - now, library.recall("b") - now
        assert second == (first + 20 + 30 + 1 if waits else 1)
        assert library.recall("b") == now + second  # it is asked for already


def test_a_tape_that_is_not_there_refuses_and_one_that_was_asked_for_before_does_not(library: Library) -> None:
    library.recall("3")
    library.cartridges[0].here = False
    assert (library.state("3"), library.state("4")) == ("recalling", "offline")
    library.wait("3")
    with pytest.raises(OSError, match="T0001 is not in the tape library") as caught:
        library.wait("4")
    assert (caught.value.errno, caught.value.filename) == (errno.ENOMEDIUM, "4")


def test_a_clock_does_not_go_back(library: Library) -> None:
    with pytest.raises(ValueError, match="a clock goes forward"):
        library.clock.advance(-1)


def test_what_is_renamed_or_forgotten_is_so_with_all_below(library: Library) -> None:
    library.archive("run/a", 1)
    library.archive("run/b/c", 1)
    library.archive("runs", 1)
    library.rename("run", "kept")
    assert {name for name in library.copies if not name.isdigit()} == {"kept/a", "kept/b/c", "runs"}
    library.forget("kept")
    assert {name for name in library.copies if not name.isdigit()} == {"runs"}
