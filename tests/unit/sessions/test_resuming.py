"""What goes on after a test that ended its own process."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from noxlib.places.host import Command, Exit
from noxlib.plan import Limits, Task
from noxlib.sessions import resuming
from tests.unit.places.test_local import HereHost, seen

KILLED = Exit(137, "signal")
TASK = Task("unit-3.10", "unit", "3.10", "/workspace", "result", timeout=600)


class Crashes(HereHost):
    """A host whose tests end their process as often as it is told to, one test each time."""

    def __init__(self, folder: Path, times: int, exit_: Exit = KILLED) -> None:
        super().__init__(folder)
        self.times, self.exit = times, exit_
        self.tasks: list[Task] = []
        self.limits: list[float] = []

    def run(self, command: Command) -> Exit:
        self.tasks.append(msgspec.json.decode((self.folder / "task.json").read_bytes(), type=Task))
        self.limits.append(command.limits.timeout)
        result = self.folder / "result"
        result.mkdir(exist_ok=True)
        if len(self.tasks) > self.times:
            (result / "result.json").write_text(json.dumps({"exit_code": 1, "cause": "killed"}))
            return Exit(1)
        with (result / "report.jsonl").open("a") as stream:
            stream.write(json.dumps({"event": "start", "id": f"test_{len(self.tasks)}"}) + "\n")
        return self.exit


def carried(folder: Path, host: Crashes, **task: object) -> Exit:
    whole = msgspec.structs.replace(TASK, **task)
    (folder / "task.json").write_bytes(msgspec.json.encode(whole))
    return resuming.run(host, Command(("x",), limits=Limits(timeout=615)), folder)


def test_after_a_crash_a_new_process_goes_on_in_what_is_left_of_the_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    host = Crashes(tmp_path, 2)
    assert carried(tmp_path, host) == Exit(1)
    assert [task.resume and task.resume["cause"] for task in host.tasks] == [None, "killed", "killed"]
    assert host.limits == sorted(host.limits, reverse=True)
    tests = [task.timeout for task in host.tasks]
    assert (tests[0], tests) == (600, sorted(tests, reverse=True))
    said = "noxlib: the tests' process ended by SIGKILL while test_1 ran; the rest goes on in a new one"
    assert said in capsys.readouterr().out


def test_the_place_outlives_each_process_by_as_much_as_the_first_one(tmp_path: Path) -> None:
    host = Crashes(tmp_path, 2)
    carried(tmp_path, host)
    spare = [limit - task.timeout for limit, task in zip(host.limits, host.tasks)]
    assert spare == pytest.approx([15.0] * 3)


def test_nothing_goes_on_once_the_suites_own_time_is_up(tmp_path: Path) -> None:
    host = Crashes(tmp_path, 2)
    assert carried(tmp_path, host, timeout=0) == KILLED
    assert len(host.tasks) == 1


def test_a_suite_in_which_every_test_crashes_has_an_end(tmp_path: Path) -> None:
    host = Crashes(tmp_path, 999)
    assert carried(tmp_path, host) == Exit(137, "signal")
    assert len(host.tasks) == resuming.PROCESSES


def test_a_result_elsewhere_is_not_carried_twice(tmp_path: Path) -> None:
    class Elsewhere(Crashes):
        def run(self, command: Command) -> Exit:
            return self.exit

    host = Elsewhere(tmp_path, 0, Exit(1))
    assert carried(tmp_path, host) == Exit(1)
    assert seen(tmp_path) == []
    host = Elsewhere(tmp_path, 0)
    assert carried(tmp_path, host) == KILLED
    assert seen(tmp_path) == ["get result"]


@pytest.mark.parametrize(
    ("exit_", "task"),
    [
        (Exit(137, "timeout"), {}),
        (Exit(137, "out-of-memory", oom=True), {}),
        (Exit(143, "signal"), {}),
        (Exit(137, "lost"), {}),
        (Exit(137, "signal"), {"interactive": True}),
        (Exit(137, "signal"), {"script": "test.sh"}),
    ],
)
def test_what_no_test_did_is_not_gone_on_after(tmp_path: Path, exit_: Exit, task: dict[str, object]) -> None:
    host = Crashes(tmp_path, 999, exit_)
    assert carried(tmp_path, host, **task) == exit_
    assert len(host.tasks) == 1
