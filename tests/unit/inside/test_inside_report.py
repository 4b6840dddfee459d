"""Counts by test id, and the lines that survive a kill."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.inside import report as module
from noxlib.inside.report import Report
from noxlib.inside.resumed import ended
from noxlib.records import result as results
from noxlib.records.record import Counts

if TYPE_CHECKING:
    from pathlib import Path


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "report.jsonl").read_text(encoding="utf-8").splitlines()]


def run(report: Report, test: str, **phases: str) -> None:
    report.start(test)
    for when, outcome in phases.items():
        report.phase(test, when, outcome, 0.5)
    report.end(test)


def test_a_test_is_three_phases_and_counts_once(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    run(report, "a", setup="passed", call="passed", teardown="passed")
    assert report.counts()["passed"] == 1
    assert sum(report.counts().values()) == 1
    assert lines(tmp_path)[-1] == {"event": "end", "id": "a", "outcome": "passed", "duration": 1.5, "setup": 0.5}


def test_errors_of_fixtures_count_as_pytest_counts_them(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    run(report, "setup", setup="failed", teardown="passed")
    run(report, "teardown", setup="passed", call="passed", teardown="failed")
    counts = report.counts()
    assert (counts["errors"], counts["passed"], counts["failed"]) == (2, 1, 0)


def test_a_rerun_test_counts_by_its_last_attempt(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    run(report, "a", setup="passed", call="rerun", teardown="passed")
    assert report.counts()["failed"] == 0
    run(report, "a", setup="passed", call="passed", teardown="passed")
    assert report.counts()["passed"] == 1


def test_skips_in_setup_and_xfails_without_a_run_count(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    run(report, "a", setup="skipped", teardown="passed")
    run(report, "b", setup="xfailed", teardown="passed")
    run(report, "c", setup="passed", call="skipped", teardown="passed")
    assert (report.counts()["skipped"], report.counts()["xfailed"]) == (2, 1)


def test_subtests_count_apart(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    for outcome in ("passed", "failed", "skipped", "xfailed"):
        report.subtest(outcome)
    counts = report.counts()
    assert (counts["subtests_passed"], counts["subtests_failed"], counts["subtests_skipped"]) == (1, 1, 2)


def test_what_a_killed_run_had_done_can_be_read_back(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    run(report, "a", setup="passed", call="passed", teardown="passed")
    report.start("b")
    report.phase("b", "call", "failed", 0.1)
    report.failure("b", "call", "no")
    report.end("b")
    run(report, "teardown", setup="passed", call="passed", teardown="failed")
    report.failure("teardown", "teardown", "no")
    report.start("c")
    with (tmp_path / "report.jsonl").open("a") as stream:
        stream.write('{"event": "end", "id": "c", "outco')
    found = module.read(str(tmp_path / "report.jsonl"))
    assert found.counts() == {**report.counts()}
    assert found.failures == report.failures
    assert list(found.running) == ["c"]
    assert results.read_progress(tmp_path).counts == msgspec.convert(report.counts(), Counts)


def test_a_line_that_was_cut_off_takes_no_other_along(tmp_path: Path) -> None:
    Report(str(tmp_path)).begin_line()
    assert lines(tmp_path) == []
    report = Report(str(tmp_path))
    run(report, "a", setup="passed", call="passed", teardown="passed")
    with (tmp_path / "report.jsonl").open("a") as stream:
        stream.write('{"event": "end", "id": "b", "outco')
    report = Report(str(tmp_path))
    report.begin_line()
    report.event("resumed")
    report.begin_line()
    assert (tmp_path / "report.jsonl").read_text().endswith('"outco\n{"event": "resumed"}\n')
    assert module.read(str(tmp_path / "report.jsonl")).counts()["passed"] == 1
    assert list(ended({"result": str(tmp_path)})) == ["a"]


def test_two_lines_in_one_are_left_out(tmp_path: Path) -> None:
    whole = '{"event": "end", "id": "a", "outcome": "passed"}\n{"event": "resumed"}\n'
    (tmp_path / "report.jsonl").write_text('{"event": "end", "id": "b{"event": "end", "id": "c"}\n' + whole)
    assert module.read(str(tmp_path / "report.jsonl")).counts()["passed"] == 1
    assert list(ended({"result": str(tmp_path)})) == ["a"]


def test_a_report_that_cannot_be_written_does_not_fail_the_tests(tmp_path: Path) -> None:
    report = Report(str(tmp_path))
    report.file = 10_000
    run(report, "a", setup="passed", call="passed")
    assert report.problem is not None
    assert report.counts()["passed"] == 1


@settings(max_examples=50)
@given(name=st.text(st.characters(), min_size=1))
def test_any_test_id_comes_back_as_it_was(tmp_path: Path, name: str) -> None:
    (tmp_path / "report.jsonl").unlink(missing_ok=True)
    run(Report(str(tmp_path)), name, setup="passed", call="passed")
    assert [line["id"] for line in lines(tmp_path)] == [name, name]
