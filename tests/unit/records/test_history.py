"""The history: made of the runs' folders, by many at once; damaged, locked, of another version; what it says."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from noxlib.errors import RecordError
from noxlib.records import history, stable, store, trends
from noxlib.records.history import History
from noxlib.records.record import Failure, Record, SourceSection
from noxlib.records.store import RunFolder

REPOSITORY = Path(__file__).parents[3]
ASK = """
import sys
from pathlib import Path
from noxlib.records.history import History
print("ready", flush=True)
sys.stdin.readline()
print(History(Path(sys.argv[1])).ask(lambda database: database.execute("SELECT count(*) FROM results").fetchone()[0]))
"""
HOLD = """
import sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.readline()
"""


def ran(
    checkout: Path,
    outcomes: dict[str, str],
    *,
    day: int = 1,
    commit: str = "c0ffee",
    seconds: float = 1.0,
    python: str = "3.10",
) -> RunFolder:
    """A run that left a record and a report."""
    folder = store.new_run(checkout, f"unit-{python}")
    lines: list[dict[str, object]] = [{"event": "start", "id": test} for test in outcomes]
    lines += [
        {"event": "end", "id": test, "outcome": outcome, "duration": seconds}
        for test, outcome in outcomes.items()
        if outcome
    ]
    (folder.path / "report.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    bad = tuple(Failure(test, "call", f"{test} broke") for test, outcome in outcomes.items() if outcome == "failed")
    store.write_record(
        folder,
        Record(
            *(folder.name, f"unit-{python}", "unit", python, "p", "failed" if bad else "passed"),
            started=f"2026-01-{day:02d}T00:00:00.000Z",
            source=SourceSection(commit, "main", dirty=False),
            failures=bad,
        ),
    )
    return folder


def results_of(checkout: Path) -> int:
    found: int = History(checkout).ask(lambda database: database.execute("SELECT count(*) FROM results").fetchone()[0])
    return found


def started(code: str, *arguments: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", code, *arguments]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def test_it_holds_what_the_runs_left_and_takes_in_what_comes(checkout: Path) -> None:
    assert results_of(checkout) == 0
    ran(checkout, {"a": "passed", "b": "failed"})
    assert results_of(checkout) == 2
    ran(checkout, {"a": "passed"}, day=2)
    assert results_of(checkout) == 3
    assert results_of(checkout) == 3


def test_a_run_that_goes_on_is_taken_in_when_it_has_a_record(checkout: Path, folder: RunFolder) -> None:
    (folder.path / "report.jsonl").write_text('{"event": "end", "id": "a", "outcome": "passed"}\n')
    assert results_of(checkout) == 0


def test_it_is_made_again_from_the_runs_and_says_the_same(checkout: Path) -> None:
    for day in range(1, 4):
        ran(checkout, {"a": "passed", "b": "failed", "c": ""}, day=day, seconds=day)
    before = History(checkout).ask(lambda database: (trends.durations(database), trends.past(database, "", 99)))
    History(checkout).rebuild()
    assert History(checkout).ask(lambda database: (trends.durations(database), trends.past(database, "", 99))) == before
    assert {one.outcome for one in before[1]} == {"passed", "failed", "crashed"}


@pytest.mark.parametrize("harm", ["garbage", "empty", "cut", "foreign", "newer", "tableless"])
def test_a_damaged_file_is_made_again(checkout: Path, harm: str, capsys: pytest.CaptureFixture[str]) -> None:
    ran(checkout, {f"test_{number}": "passed" for number in range(300)})
    assert results_of(checkout) == 300
    file = checkout / ".noxlib" / "history.sqlite"
    whole = file.read_bytes()
    if harm in ("garbage", "empty", "cut"):
        file.write_bytes({"garbage": b"no database" * 1000, "empty": b"", "cut": whole[: len(whole) // 2]}[harm])
    else:
        statement = {
            "foreign": "PRAGMA user_version = 0",
            "newer": "PRAGMA user_version = 99",
            "tableless": "DROP TABLE results",
        }[harm]
        database = sqlite3.connect(file)
        database.execute(statement)
        database.close()
    assert results_of(checkout) == 300
    assert ("is damaged" in capsys.readouterr().out) == (harm != "empty")


def test_eight_processes_that_ask_at_once_take_each_run_in_once(checkout: Path) -> None:
    for day in range(1, 7):
        ran(checkout, {f"test_{number}": "passed" for number in range(50)}, day=day)
    asking = [started(ASK, str(checkout)) for _ in range(8)]
    for process in asking:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    told = [process.communicate("go\n")[0] for process in asking]
    assert {line for text in told for line in text.splitlines() if not line.startswith("waiting")} == {"300"}


def test_a_file_that_is_held_is_waited_for_then_told_in_two_lines(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran(checkout, {"a": "passed"})
    assert results_of(checkout) == 1
    ran(checkout, {"a": "passed"}, day=2)
    monkeypatch.setattr(history, "WAIT", 0.2)
    monkeypatch.setattr(history, "_FIRST_WAIT", 0.1)
    with started(HOLD, str(checkout / ".noxlib" / "history.sqlite")) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(RecordError, match=r"has been locked by another process for 0.2 s") as told:
            results_of(checkout)
        assert told.value.todo.startswith("wait for it, or end it")
        assert "waiting for another process" in capsys.readouterr().out
        holder.communicate("go\n")
    assert results_of(checkout) == 2


def test_a_link_in_its_place_is_not_followed(checkout: Path, tmp_path: Path) -> None:
    ran(checkout, {"a": "passed"})
    (tmp_path / "precious").write_text("precious")
    (checkout / ".noxlib" / "history.sqlite").symlink_to(tmp_path / "precious")
    assert results_of(checkout) == 1
    assert (tmp_path / "precious").read_text() == "precious"


def test_a_folder_in_its_place_is_told_in_two_lines(checkout: Path) -> None:
    (checkout / ".noxlib" / "history.sqlite").mkdir(parents=True)
    with pytest.raises(RecordError, match=r"history\.sqlite cannot be used"):
        results_of(checkout)


def test_a_damaged_record_is_left_out(checkout: Path) -> None:
    (ran(checkout, {"a": "passed"}).path / "record.json").write_text("{")
    ran(checkout, {"b": "passed"})
    assert results_of(checkout) == 1


def test_a_duration_is_the_median_of_the_last_results_of_tests_that_ran(checkout: Path) -> None:
    for day, seconds in enumerate([100.0, 5.0, 1.0, 2.0, 9.0, 4.0], start=1):  # the first is too long ago
        ran(checkout, {"slow": "passed", "skipped": "skipped"}, day=day, seconds=seconds)
    ran(checkout, {"quick": "failed"}, day=7, seconds=0.5, python="3.12")
    found = History(checkout).ask(trends.durations)
    assert [(one.id, one.seconds, one.results) for one in found] == [("slow", 4.0, 5), ("quick", 0.5, 1)]
    of_one = History(checkout).ask(lambda database: trends.durations(database, "unit", "3.12"))
    assert [one.id for one in of_one] == ["quick"]
    assert History(checkout).ask(lambda database: trends.durations(database, "vm")) == []


def test_flaky_is_what_passed_and_failed_on_one_commit(checkout: Path) -> None:
    for day, outcome in enumerate(["passed", "failed", "passed", "passed"], start=1):
        ran(checkout, {"flaky": outcome, "fine": "passed", "broken": "failed"}, day=day)
    ran(checkout, {"fixed": "failed"}, day=1, commit="old")
    ran(checkout, {"fixed": "passed"}, day=2, commit="new")
    found = History(checkout).ask(trends.flaky)
    assert [(one.id, one.session, one.failed, one.results) for one in found] == [("flaky", "unit-3.10", 1, 4)]
    assert found[0].last.startswith("2026-01-02")


def test_the_past_of_a_test_is_told_with_its_messages_the_newest_first(checkout: Path) -> None:
    ran(checkout, {"tests/test_a.py::test_x": "failed"}, day=1)
    ran(checkout, {"tests/test_a.py::test_x": "passed", "other": "failed"}, day=2)
    found = History(checkout).ask(lambda database: trends.past(database, "test_x", 9))
    assert [(one.outcome, one.message) for one in found] == [
        ("passed", ""),
        ("failed", "tests/test_a.py::test_x broke"),
    ]
    assert [one.id for one in History(checkout).ask(lambda database: trends.past(database, "", 1, bad=True))] == [
        "other"
    ]


def test_a_test_that_has_passed_once_is_stable(tmp_path: Path) -> None:
    ran(tmp_path, {"a": "passed", "b": "failed", "c": "xfailed", "d": ""}, day=1)
    ran(tmp_path, {"a": "failed", "e": "passed"}, day=2)
    known = History(tmp_path).ask(lambda database: stable.digests(database, "unit"))
    assert known == sorted(stable.digest(test) for test in ("a", "e"))
    assert History(tmp_path).ask(lambda database: stable.digests(database, "integration")) == []
