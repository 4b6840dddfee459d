"""Tasks of one run as one record: sums, the worst outcome, files together."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.places.host import Exit
from noxlib.places.scheduler import Result
from noxlib.plan import Outcome
from noxlib.records import result as results
from noxlib.records import shards
from noxlib.records.record import Counts, Failure, InterpreterSection, Record, TaskSection
from noxlib.records.result import Shard

WHOLE = Record(run="r", session="hpc_submit-3.10", suite="unit", python="3.10", project="p", outcome="error")
COUNTS = st.builds(Counts, *(st.integers(0, 99) for _ in Counts.__struct_fields__))


def record(outcome: Outcome, **known: object) -> Record:
    return Record("r", "hpc_submit-3.10", "unit", "3.10", "p", outcome, **known)  # type: ignore[arg-type]


def merged(*records: Record) -> Record:
    sections = [TaskSection(index=at, node=f"c{at}", seconds=float(at)) for at in range(len(records))]
    return shards.merge(WHOLE, records, sections)


@pytest.mark.parametrize(
    ("outcomes", "expected"),
    [
        (("passed", "passed"), "passed"),
        (("passed", "no-tests"), "passed"),
        (("no-tests", "no-tests"), "no-tests"),
        (("passed", "failed"), "failed"),
        (("failed", "cancelled"), "cancelled"),
        (("cancelled", "timeout"), "timeout"),
        (("timeout", "error", "failed"), "error"),
    ],
)
def test_the_worst_outcome_is_the_runs(outcomes: tuple[Outcome, ...], expected: str) -> None:
    assert merged(*(record(outcome) for outcome in outcomes)).outcome == expected


def test_the_message_names_the_task_and_a_run_that_passed_has_none() -> None:
    assert merged(record("passed"), record("error", message="it is lost", cause="lost")).message == (
        "task 1 on c1: it is lost"
    )
    assert merged(record("passed", message="x")).message is None


def test_failures_follow_each_other_and_the_interpreter_is_of_one_that_ran() -> None:
    first = record("error")
    second = record("failed", failures=(Failure("a", "call"),), interpreter=InterpreterSection("3.10.1"))
    third = record("failed", failures=(Failure("b", "call"),), interpreter=InterpreterSection("3.10.1"))
    found = merged(first, second, third)
    assert [failure.id for failure in found.failures] == ["a", "b"]
    assert found.interpreter.version == "3.10.1"
    assert found.timings["run"] == 2.0
    assert len(found.tasks) == 3


@given(st.lists(COUNTS, min_size=1, max_size=5))
def test_counts_are_sums_and_what_all_left_out_was_left_out(counts: list[Counts]) -> None:
    found = shards.total(counts)
    for name in Counts.__struct_fields__:
        each = [getattr(one, name) for one in counts]
        assert getattr(found, name) == (min(each) if name == "deselected" else sum(each))


def test_a_section_joins_the_schedulers_word_and_the_tests() -> None:
    result = Result("done", Exit(1), word="FAILED", node="c1", restarts=1, seconds=2.0)
    found = shards.section(3, "7_3", result, record("failed", exit_code=1, counts=Counts(failed=1)))
    assert (found.index, found.id, found.node, found.state, found.outcome, found.exit_code, found.restarts) == (
        3,
        "7_3",
        "c1",
        "FAILED",
        "failed",
        1,
        1,
    )


def test_files_of_the_tasks_come_together(tmp_path: Path) -> None:
    for index in range(2):
        own = tmp_path / "tasks" / str(index)
        (own / "coverage").mkdir(parents=True)
        (own / "coverage" / ".coverage").write_text(str(index))
        (own / "report.jsonl").write_text(f'{{"event": "start", "id": "{index}"}}\n')
        (own / "junit.xml").write_text(f'<testsuites><testsuite><testcase name="t{index}"/></testsuite></testsuites>')
    shards.gather(tmp_path, [record("passed"), record("passed")])
    assert (tmp_path / "report.jsonl").read_text().count("start") == 2
    assert sorted(path.name for path in (tmp_path / "coverage").iterdir()) == [".coverage.task0", ".coverage.task1"]
    assert (tmp_path / "junit.xml").read_text().count("<testcase") == 2


def test_a_line_that_a_killed_task_did_not_end_takes_none_of_the_next_one_along(tmp_path: Path) -> None:
    for index, text in enumerate(('{"event": "start", "id": "t', '{"event": "start", "id": "other"}\n')):
        (tmp_path / "tasks" / str(index)).mkdir(parents=True)
        (tmp_path / "tasks" / str(index) / "report.jsonl").write_text(text)
    shards.gather(tmp_path, [record("failed"), record("passed")])
    assert [event.id for event in results.events(tmp_path / "report.jsonl")] == ["other"]


def test_tasks_that_were_cut_from_different_collections_are_no_whole() -> None:
    parts = [Shard(0, 2, 3, 6, "a"), Shard(1, 2, 3, 6, "a"), None]
    passed, failed = record("passed"), record("failed")
    assert shards.agreed(passed, parts) is passed
    other = [Shard(0, 2, 3, 6, "a"), Shard(1, 2, 3, 7, "b")]
    found = shards.agreed(passed, other)
    assert (found.outcome, found.cause) == ("error", "shards")
    assert found.message == "the tasks collected different tests (6, 7 of them), so that some may have run nowhere"
    assert shards.agreed(failed, parts) is failed
    told = shards.agreed(failed, other)
    assert (told.outcome, told.cause) == (failed.outcome, failed.cause)
    assert "collected different tests" in (told.message or "")
