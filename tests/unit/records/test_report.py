"""Reports of any number of runs: nothing missing is green, nothing hostile is more than text."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import RecordError
from noxlib.inside import junit as inside_junit
from noxlib.plan import Plan
from noxlib.records import job_summary, junit, report, store, terminal
from noxlib.records.record import (
    BenchmarkSection,
    Counts,
    Failure,
    PerformanceSection,
    PlaceSection,
    Record,
    TestgroundSection,
)
from noxlib.records.report import Run

HOSTILE = "a|b `c` <img src=x onerror=1> [l](http://e.example) \x1b[31m\x00 @all #1 **x** www.e.example\nnext \ud800"
PERFORMANCE = PerformanceSection(
    "a" * 40, "b" * 40, 5, 5.0, 0.95, (BenchmarkSection("t::slow", 0.5, 1.0, 2.0, 1.9, 2.1, "slower"),), ("old",), ()
)


def record(session: str = "unit-3.10", **changes: Any) -> Record:
    fields = {"run": "r", "session": session, "suite": "unit", "python": "3.10", "project": "p", "outcome": "passed"}
    return msgspec.convert({**fields, **changes}, Record)


def run(folder: Path, session: str = "unit-3.10", **changes: Any) -> Run:
    return Run(folder, session, record(session, **changes))


def left(checkout: Path, session: str, **changes: Any) -> Path:
    """A run of a checkout that left a record."""
    folder = store.new_run(checkout, session)
    store.write_record(folder, record(session, run=folder.name, **changes))
    return folder.path


def test_the_newest_run_of_each_session_is_taken(checkout: Path) -> None:
    older = left(checkout, "unit-3.10", outcome="failed")
    os.utime(older / "owner.json", (0, 0))  # the clock of some file systems ticks every few milliseconds only
    newer = left(checkout, "unit-3.10")
    other = left(checkout, "unit-3.11")
    assert [one.folder for one in report.newest(checkout)] == [newer, other]


def test_no_run_at_all_is_an_error(checkout: Path) -> None:
    with pytest.raises(RecordError, match="no run has left a record"):
        report.newest(checkout)


def test_runs_are_found_at_and_below_folders_each_once(checkout: Path) -> None:
    one, two = left(checkout, "unit-3.10"), left(checkout, "unit-3.11")
    assert [one.folder for one in report.below([checkout, one, one])] == [one, two]


@pytest.mark.parametrize("name", ["empty", "absent"])
def test_a_folder_without_runs_is_an_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecordError, match="holds no record"):
        report.below([tmp_path / name])


def test_a_plan_without_a_record_is_missing(checkout: Path, plan: Plan) -> None:
    folder = store.new_run(checkout, "unit-3.10")
    store.write_plan(folder, plan)
    (folder.path / "owner.json").unlink()
    (found,) = report.below([folder.path])
    assert (found.session, found.outcome, found.message) == ("unit-3.10", "missing", "planned, and no record was left")
    assert report.rows([found])[0][:2] == ("unit-3.10", "missing")


def test_a_run_that_goes_on_says_so(checkout: Path, plan: Plan) -> None:
    folder = store.new_run(checkout, "unit-3.10")
    store.write_plan(folder, plan)
    assert report.newest(checkout)[0].message == "still running"


def test_a_damaged_record_is_missing_and_says_why(checkout: Path) -> None:
    path = left(checkout, "unit-3.10")
    (path / "record.json").write_text("{")
    (found,) = report.newest(checkout)
    assert found.outcome == "missing"
    assert "damaged" in found.message


def test_the_name_of_a_session_from_elsewhere_is_text_alone(checkout: Path) -> None:
    folder = left(checkout, "unit-3.10")
    store.write_record(store.RunFolder(folder, checkout), record("\x1b[2Junit"))
    (found,) = report.below([folder])
    assert found.session == "\\x1b[2Junit"


def test_subtests_are_counted_apart(tmp_path: Path) -> None:
    counts = {"passed": 2, "failed": 1, "subtests_passed": 7, "subtests_failed": 2}
    row = dict(zip(report.COLUMNS, report.rows([run(tmp_path, outcome="failed", counts=counts)])[0]))
    assert (row["#passed"], row["#failed"], row["#subtests"]) == ("2", "1", "9, 2 failed")


def test_a_row_names_place_and_testground(tmp_path: Path) -> None:
    place, ground = PlaceSection("container", ""), TestgroundSection(digest="sha256:" + "0123456789" * 6)
    found = msgspec.structs.replace(record(), place=place, testground=ground, timings={"run": 1.26})
    assert report.rows([Run(tmp_path, "s", found)])[0][-3:] == ("1.3", "container", "012345678901")


def test_the_headline_counts_outcomes_the_passed_first(tmp_path: Path) -> None:
    found = [run(tmp_path, outcome="failed"), run(tmp_path), Run(tmp_path, "x"), run(tmp_path)]
    assert report.headline(found) == "4 runs: 2 passed, 1 failed, 1 missing"


def test_a_run_without_failures_that_is_not_green_is_listed_by_its_message(tmp_path: Path) -> None:
    found = [
        run(tmp_path, outcome="error", message="the engine\nis gone"),
        Run(tmp_path, "x", problem="lost"),
        run(tmp_path),
    ]
    assert [entry[2] for entry in report.failures(found)] == ["error: the engine is gone", "missing: lost"]


def test_a_table_shows_hostile_text_as_text() -> None:
    shown = terminal.table(("session", "#n"), [("[red]x[/red] \x1b[31m\x00\n|", "1")])
    assert "[red]x[/red] \\x1b[31m\\x00 |" in shown
    assert "\x1b" not in shown


def test_outcomes_have_colours_where_there_is_a_terminal() -> None:
    assert "\x1b[31m" in terminal.table(("outcome",), [("failed",)], colour=True)


def test_a_comparison_is_shown_with_what_one_side_alone_has() -> None:
    shown = terminal.performance(PERFORMANCE)
    assert "t::slow" in shown
    assert "+100.0 %" in shown
    assert "+90.0 % … +110.0 %" in shown
    assert "only on the base: old" in shown


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0, "2 s"), (0.00123, "1.23 ms"), (4.5e-6, "4.5 us"), (7e-9, "7 ns"), (125.0, "125 s")]
)
def test_times_have_the_unit_that_suits_them(value: float, shown: str) -> None:
    assert terminal.seconds(value) == shown


@given(st.text())
def test_escaped_text_holds_no_markup_and_reads_as_it_was(value: str) -> None:
    import html

    from noxlib.records.result import text

    escaped = job_summary.escape(value)
    assert not set("|`<>[]()*_@!\\\x1b\x00\n\r") & set(escaped)
    assert html.unescape(escaped) == " ".join(text(value).split())


def test_the_summary_has_a_row_for_each_run_and_one_line_for_each_failure(tmp_path: Path) -> None:
    failures = [{"id": HOSTILE, "phase": "call", "message": HOSTILE}]
    found = [run(tmp_path, HOSTILE, outcome="failed", failures=failures), Run(tmp_path, "gone"), run(tmp_path)]
    lines = job_summary.markdown(found).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 3
    assert {line.count("|") for line in table} == {len(report.COLUMNS) + 1}
    assert len([line for line in lines if line.startswith("- **")]) == 2
    assert not any(word in job_summary.markdown(found) for word in ("<img", "\x1b", "\x00", "](", "@all", "www.e"))


def test_a_summary_of_passed_runs_lists_no_failure(tmp_path: Path) -> None:
    text = job_summary.markdown([run(tmp_path)])
    assert "## Tests: 1 run: 1 passed" in text
    assert "Not green" not in text


def test_a_summary_stays_short_however_much_failed(tmp_path: Path) -> None:
    failures = [{"id": f"t{number}" * 500, "phase": "call", "message": "<" * 2000} for number in range(5000)]
    text = job_summary.markdown([run(tmp_path, outcome="failed", failures=failures)])
    assert len(text) < 300_000  # GitHub takes 1 MiB for a step
    assert f"and {5000 - job_summary.FAILURES} more" in text


def test_a_summary_shows_comparisons(tmp_path: Path) -> None:
    found = msgspec.structs.replace(record("perf_compare", outcome="failed"), performance=PERFORMANCE)
    text = job_summary.markdown([Run(tmp_path, "perf_compare", found)])
    assert "| t&#58;&#58;slow | ❌ slower | 500 ms | 1 s | +100.0 % | +90.0 % … +110.0 % |" in text


def merged(*found: Run) -> ET.Element:
    return ET.fromstring(junit.merge(found))


JUNIT = """<?xml version="1.0"?><testsuites><testsuite name="pytest" tests="5" failures="9">
<testcase classname="c" name="one" time="0.1"/><testcase classname="c" name="two">
<failure message="m">text</failure><failure message="contains 1 failed subtest"/></testcase>
<testcase classname="c" name="three"><skipped message="s"/></testcase></testsuite></testsuites>"""


def test_junit_files_are_merged_and_counted_anew(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "junit.xml").write_text(JUNIT)
    root = merged(run(one, "unit-3.10", outcome="failed", counts={"subtests_failed": 1}), run(two, "unit-3.11"))
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["6", "2", "0", "2"]
    suite = root.findall("testsuite")[0]
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("unit-3.10", "3", "1")
    properties = {found.get("name"): found.get("value") for found in suite.iter("property")}
    assert (properties["outcome"], properties["subtests_failed"]) == ("failed", "1")


def test_a_run_without_junit_has_its_failures_from_the_record(tmp_path: Path) -> None:
    failures = [{"id": HOSTILE, "phase": "call", "message": HOSTILE}]
    root = merged(run(tmp_path, outcome="failed", failures=failures))
    (case,) = root.iter("testcase")
    assert (case.get("name") or "").startswith("a|b `c` <img")
    assert root.get("failures") == "1"


REPORT = """
{"event": "start", "id": "tests/t.py::test_a[x/y]"}
{"event": "end", "id": "tests/t.py::test_a[x/y]", "outcome": "passed", "duration": 0.25}
{"event": "start", "id": "tests/t.py::T::test_b"}
{"event": "end", "id": "tests/t.py::T::test_b", "outcome": "failed", "duration": 0.5}
{"event": "start", "id": "tests/t.py::test_c"}
{"event": "end", "id": "tests/t.py::test_c", "outcome": "skipped", "duration": 0.0}
{"event": "start", "id": "tests/t.py::test_d"}
{"event": "end", "id": "tests/t.p
"""


def test_a_run_without_junit_has_each_of_its_tests_from_report_and_record(tmp_path: Path) -> None:
    (tmp_path / "report.jsonl").write_text(REPORT)
    failures = [
        {"id": "tests/t.py::T::test_b", "phase": "call", "message": "assert 0"},
        {"id": "tests/t.py::test_d", "phase": "call", "message": "not done after 6 s"},
    ]
    root = merged(run(tmp_path, outcome="timeout", message="not done after 6 s", failures=failures))
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["4", "2", "0", "1"]
    cases = {(case.get("classname"), case.get("name")): case for case in root.iter("testcase")}
    assert list(cases) == [
        ("tests.t", "test_a[x/y]"),
        ("tests.t.T", "test_b"),
        ("tests.t", "test_c"),
        ("tests.t", "test_d"),
    ]
    assert [case.get("time") for case in cases.values()] == ["0.250", "0.500", "0.000", "0.000"]
    found = {name: [(child.tag, child.get("message")) for child in case] for (_, name), case in cases.items()}
    assert found["test_b"] == [("failure", "assert 0")]
    assert found["test_c"] == [("skipped", "")]
    assert found["test_d"] == [("failure", "not done after 6 s")]


@pytest.mark.parametrize("test", ["tests/test_a.py::TestB::test_c[1]", "t.py::test_a[x::y[z]/.py]", "a/b.py::test_ü"])
def test_both_sides_name_a_test_in_junit_alike(test: str) -> None:
    assert junit.names(test) == inside_junit.of_id(test)


def test_a_missing_run_is_an_error_in_junit(tmp_path: Path) -> None:
    root = merged(Run(tmp_path, "unit-3.10", problem="planned, and no record was left"))
    assert root.get("errors") == "1"


def test_a_run_that_broke_after_tests_that_passed_is_an_error_in_junit(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<testsuite><testcase name='one'/></testsuite>")
    root = merged(run(tmp_path, outcome="timeout", message="not done after 4 s"))
    assert (root.get("tests"), root.get("errors")) == ("2", "1")


def test_benchmarks_are_cases_and_slower_ones_failures(tmp_path: Path) -> None:
    found = msgspec.structs.replace(record("perf_compare", outcome="failed"), performance=PERFORMANCE)
    root = merged(Run(tmp_path, "perf_compare", found))
    assert (root.get("tests"), root.get("failures")) == ("1", "1")


BOMB = '<!DOCTYPE x [<!ENTITY a "{}"><!ENTITY b "&a;&a;">]><testsuite><testcase name="&b;"/></testsuite>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<testsuite>",
        b"\xff\xfe\x00",
        BOMB.format("x" * 99).encode(),
        BOMB.format("x" * 99).encode("utf-16"),
        b"<a>" * 10_000 + b"</a>" * 10_000,
        b"<testsuite/>",
    ],
    ids=["empty", "cut", "no text", "doctype", "doctype in utf-16", "deep", "no case"],
)
def test_junit_that_cannot_be_used_is_left_for_the_record(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "junit.xml").write_bytes(data)
    root = merged(run(tmp_path, outcome="failed", failures=[{"id": "t", "phase": "call"}]))
    assert [case.get("name") for case in root.iter("testcase")] == ["t"]


def test_a_link_in_the_place_of_junit_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "else.xml").write_text(JUNIT)
    (tmp_path / "junit.xml").symlink_to(tmp_path / "else.xml")
    assert list(merged(run(tmp_path)).iter("testcase")) == []


def test_what_does_not_belong_into_a_case_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("<t><testcase name='a'><script>x</script><testcase name='b'/></testcase></t>")
    root = merged(run(tmp_path))
    assert [child.tag for child in root.iter() if child.tag in ("script", "testcase")] == ["testcase", "testcase"]


@given(st.text(), st.text())
def test_merged_junit_is_xml_whatever_tests_are_called(name: str, message: str) -> None:
    failures = [{"id": name, "phase": "call", "message": message}]
    root = merged(run(Path("/nonexistent"), name, outcome="failed", failures=failures))
    assert len(list(root.iter("testcase"))) == 1


def test_counts_of_ten_thousand_cases_are_quick_enough_to_be_made(tmp_path: Path) -> None:
    cases = "".join(f"<testcase name='t{number}'/>" for number in range(10_000))
    (tmp_path / "junit.xml").write_text(f"<testsuite>{cases}</testsuite>")
    assert merged(run(tmp_path)).get("tests") == "10000"


def test_numbers_that_make_no_sense_are_no_record(checkout: Path) -> None:
    path = left(
        checkout, "unit-3.10", counts=msgspec.to_builtins(Counts()), failures=[msgspec.to_builtins(Failure("a", "b"))]
    )
    found = json.loads((path / "record.json").read_text())
    (path / "record.json").write_text(json.dumps({**found, "counts": {"passed": "many"}}))
    assert report.newest(checkout)[0].outcome == "missing"
