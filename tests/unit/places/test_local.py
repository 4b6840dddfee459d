"""The scheduler of this machine: one process a task, stopped as a session is."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import msgspec
import pytest
from typing_extensions import Self

from noxlib.errors import PlaceError, UsageError
from noxlib.places.host import Command, Exit, Facts, Host
from noxlib.places.local import Local
from noxlib.places.scheduler import HostTask, Result

if TYPE_CHECKING:
    from collections.abc import Callable


class HereHost:
    """The smallest host: it answers, waits for a file, or fails; what it was asked stands in a file."""

    name = workspace = python = inside = scratch = "here"
    facts = Facts()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def say(self, text: str) -> None:
        with (self.folder / "seen").open("a") as stream:
            stream.write(text + "\n")

    def __enter__(self) -> Self:
        self.say("enter")
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.say("exit")

    def put(self, source: Path, target: str) -> None:
        self.say(f"put {target}")

    def get(self, source: str, target: Path) -> None:
        self.say(f"get {source}")

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        return ()

    def run(self, command: Command) -> Exit:
        self.say("run")
        if command.argv == ("fail",):
            raise PlaceError("it failed", "mend it", cause="lost")
        if command.argv == ("full",):
            raise OSError(errno.ENOSPC, "No space left on device")
        if command.argv == ("die",):
            os.kill(os.getpid(), signal.SIGKILL)
        while command.argv == ("wait",) and not (self.folder / "gate").exists():
            time.sleep(0.01)
        return Exit(0 if command.argv == ("wait",) else int(command.argv[0]))


def task(word: str, folder: Path) -> HostTask:
    return HostTask((word,), files=((str(folder), "in"),), results=(("out", str(folder)),))


def seen(folder: Path) -> list[str]:
    path = folder / "seen"
    return path.read_text().splitlines() if path.exists() else []


def without_time(result: Result) -> Result:
    assert result.seconds is not None
    return msgspec.structs.replace(result, seconds=None)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 600
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_results_come_back_by_id(tmp_path: Path) -> None:
    with Local(1, lambda _: HereHost(tmp_path)) as local:
        first, second, third, fourth = local.submit(tuple(task(word, tmp_path) for word in ("wait", "fail", "3", "0")))
        assert local.cancel(fourth)
        assert local.state(second) == "waiting"
        (tmp_path / "gate").touch()
        assert without_time(local.fetch(first)) == Result("done", Exit(0))
        assert local.fetch(second) == Result("failed", message="it failed\n  mend it", cause="lost")
        assert without_time(local.fetch(third)) == Result("done", Exit(3))
        assert local.fetch(fourth).state == "cancelled"
        states = [local.state(name) for name in (first, second, third, fourth)]
        assert states == ["done", "failed", "done", "cancelled"]
        assert not local.cancel(first)
        with pytest.raises(UsageError, match="no task 'x'"):
            local.state("x")
    assert seen(tmp_path) == ["enter", "put in", "run", "get out", "exit"] * 3


def test_each_task_has_the_host_that_is_made_for_it_and_ends_are_told_as_they_come(tmp_path: Path) -> None:
    folders = {name: tmp_path / name for name in ("a", "b")}
    for folder in folders.values():
        folder.mkdir()
    said: list[str] = []

    def carry(host: Host, command: Command, task: HostTask) -> Exit:
        (folders[task.log] / "carried").touch()
        return host.run(command)

    with Local(2, lambda task: HereHost(folders[task.log]), carry) as local:
        names = local.submit(tuple(HostTask((word,), log=log) for word, log in (("wait", "a"), ("3", "b"))))
        for name, result in local.ended(names):
            said.append(name)
            (folders["a"] / "gate").touch()
            assert result.state == "done"
    assert said == [names[1], names[0]]
    assert all((folder / "carried").exists() for folder in folders.values())


def test_a_running_task_is_stopped_and_its_host_removed(tmp_path: Path) -> None:
    with Local(1, lambda _: HereHost(tmp_path)) as local:
        (name,) = local.submit((task("wait", tmp_path),))
        until(lambda: "run" in seen(tmp_path))
        assert local.state(name) == "running"
        assert local.cancel(name)
        assert local.fetch(name) == Result("cancelled", message="cancelled while it ran", cause="cancelled")
        assert not local.cancel(name)
    assert seen(tmp_path)[-2:] == ["get out", "exit"]


def test_a_task_whose_process_dies_is_lost_and_not_waited_for(tmp_path: Path) -> None:
    with Local(2, lambda _: HereHost(tmp_path)) as local:
        (name,) = local.submit((task("die", tmp_path),))
        assert local.fetch(name) == Result("failed", message="its process ended with -9", cause="lost")


def test_a_host_that_failed_is_told_and_not_that_it_has_no_results(tmp_path: Path) -> None:
    class Empty(HereHost):
        def get(self, source: str, target: Path) -> None:
            raise PlaceError(f"there is no {source}", "look", cause="absent")

    with Local(1, lambda _: Empty(tmp_path)) as local:
        failed, done = local.submit((task("fail", tmp_path), task("0", tmp_path)))
        found = local.fetch(failed)
        assert (found.cause, found.message.partition("\n")[0]) == ("lost", "it failed")
        assert local.fetch(done).cause == "absent"


def test_a_full_disk_is_a_result_with_its_cause(tmp_path: Path) -> None:
    with Local(1, lambda _: HereHost(tmp_path)) as scheduler:
        (task,) = scheduler.submit((HostTask(("full",)),))
        found = scheduler.fetch(task)
    assert (found.state, found.cause) == ("failed", "disk-full")
    assert found.message.startswith("No space left on device\n")


def test_an_exception_stops_what_runs(tmp_path: Path) -> None:
    def fail() -> None:
        with Local(2, lambda _: HereHost(tmp_path)) as local:
            local.submit((task("wait", tmp_path),))
            until(lambda: "run" in seen(tmp_path))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen(tmp_path)[-1] == "exit"


def test_a_task_whose_session_was_killed_before_it_began_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiprocessing, "parent_process", lambda: SimpleNamespace(pid=2**22 + 1))
    with Local(1, lambda _: HereHost(tmp_path)) as local:
        (name,) = local.submit((task("0", tmp_path),))
        assert local.fetch(name).state == "cancelled"
    assert seen(tmp_path) == []


def test_the_tasks_of_a_killed_process_end_and_remove_their_hosts(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.unit.places.test_local import HereHost, task\n"
        "from noxlib.places.local import Local\n"
        "folder = Path(sys.argv[1]); local = Local(1, lambda _: HereHost(folder))\n"
        "local.fetch(local.submit((task('wait', folder),))[0])"
    )
    root = Path(__file__).parents[3]
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], cwd=root) as process:
        until(lambda: "run" in seen(tmp_path))
        process.kill()
    until(lambda: seen(tmp_path)[-1:] == ["exit"])
