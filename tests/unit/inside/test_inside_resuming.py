"""What goes on after a test that ended its process, where nobody waits for the task."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxlib.inside import resuming
from noxlib.places.host import Exit
from noxlib.sessions import resuming as from_afar

KILLED = {"code": 137, "cause": "signal", "oom": False}


def order(folder: Path, **task: Any) -> dict[str, Any]:
    """The order of a task in whose report one test runs."""
    (folder / "result").mkdir()
    (folder / "result" / "report.jsonl").write_text('{"event": "start", "id": "test_a"}\n')
    path = folder / "task.json"
    path.write_text(json.dumps({"python": "3.10", "workspace": "/w", "result": "result", "timeout": 600, **task}))
    return {"argv": ["python", "run.py", str(path)], "task": str(path), "timeout": 615, "environment": {"A": "b"}}


def test_a_new_process_gets_a_task_of_its_own_and_what_is_left_of_the_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = order(tmp_path, shard=[1, 8], durations="durations.json.gz")
    before = (tmp_path / "task.json").read_text()
    found = resuming.Rest(first).after(KILLED)
    assert found is not None
    again = json.loads((tmp_path / resuming.BESIDE).read_text())
    assert found["argv"] == ["python", "run.py", str(tmp_path / resuming.BESIDE)]
    assert 0 < again["timeout"] <= 600
    assert found["timeout"] - again["timeout"] == pytest.approx(15)
    message = "the tests' process ended by SIGKILL while test_a ran"
    assert again["resume"] == {"cause": "killed", "message": message}
    assert (again["shard"], again["result"]) == ([1, 8], str(tmp_path / "result"))
    assert (found["environment"], (tmp_path / "task.json").read_text()) == ({"A": "b"}, before)
    assert capsys.readouterr().out == f"noxlib: {message}; the rest goes on in a new one\n"


def test_a_suite_in_which_every_test_crashes_has_an_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rest = resuming.Rest(order(tmp_path))
    found = [rest.after(KILLED) for _ in range(resuming.PROCESSES)]
    assert [one is None for one in found] == [False] * (resuming.PROCESSES - 1) + [True]
    assert resuming.PROCESSES == from_afar.PROCESSES
    assert "19 tests have ended their process: where another does, the rest is not run" in capsys.readouterr().out


@pytest.mark.parametrize("task", [{"timeout": 0}, {"script": "test.sh"}])
def test_nothing_goes_on_once_the_time_is_up_nor_for_a_script(tmp_path: Path, task: dict[str, Any]) -> None:
    assert resuming.Rest(order(tmp_path, **task)).after(KILLED) is None
    assert not (tmp_path / resuming.BESIDE).exists()


def test_a_disk_without_room_for_the_task_ends_it_as_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rest = resuming.Rest(order(tmp_path))
    (tmp_path / resuming.BESIDE).mkdir()  # what cannot be written to either
    assert rest.after(KILLED) is None
    assert "the rest of the tests cannot go on" in capsys.readouterr().out


def test_a_command_whose_task_cannot_be_read_has_no_rest(tmp_path: Path) -> None:
    found = order(tmp_path)
    Path(found["task"]).write_text("{}")
    assert resuming.rest_of(found) is None
    Path(found["task"]).unlink()
    assert resuming.rest_of(found) is None


def test_a_report_that_tests_wrote_ends_nothing_by_an_error(tmp_path: Path) -> None:
    rest = resuming.Rest(order(tmp_path))
    for line in ('{"event": "failure"}', "[]", "1", '{"id": 7}', "\\xff"):
        (tmp_path / "result" / "report.jsonl").write_text(line + "\n")
        assert rest.after(KILLED) is None


exits: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    code=st.integers(0, 255) | st.sampled_from((137, 139, 134, 130, 143, 124)),
    cause=st.sampled_from(("exit", "signal", "timeout", "out-of-memory", "cancelled", "lost")),
    oom=st.booleans(),
)


@given(exits, st.lists(st.sampled_from(("a", "b::ö[1]", "c", "d", "e")), unique=True), st.booleans(), st.booleans())
@example({"code": 137, "cause": "signal", "oom": False}, ["a", "c", "d", "e", "b::ö[1]"], False, False)
@example({"code": 0, "cause": "exit", "oom": False}, ["a"], True, False)
@example({"code": 137, "cause": "exit", "oom": False}, ["a"], False, True)
def test_both_sides_judge_alike(exit_: dict[str, Any], running: list[str], one_ended: bool, told: bool) -> None:
    folder = Path(tempfile.mkdtemp())
    events = [{"event": "start", "id": test} for test in running]
    events += [{"event": "end", "id": test, "outcome": "passed"} for test in running[: int(one_ended)]]
    (folder / "report.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events) + '{"event": "st')
    if told:
        (folder / "result.json").write_text('{"exit_code": 1}')
    try:
        assert resuming.crash_of(exit_, str(folder)) == from_afar.crash_of(Exit(**exit_), folder)
    finally:
        shutil.rmtree(folder)
