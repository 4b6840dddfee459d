"""However a run ends, its record says what happened, and trusts nothing that the tests wrote."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.engines.git import Head
from noxlib.errors import Cancelled, ConfigError, EngineError
from noxlib.places.host import Exit, Facts, Machine
from noxlib.records import collect, store
from noxlib.records import result as results
from noxlib.records.record import Counts, Failure, TestgroundSection
from noxlib.records.result import Progress, read_progress, read_result

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.plan import Plan
    from noxlib.records.record import Record

COUNTS = {"passed": 2, "failed": 0, "errors": 0, "skipped": 1, "deselected": 3}
RESULT: dict[str, Any] = {
    "version": 1,
    "exit_code": 0,
    "cause": None,
    "message": None,
    "counts": COUNTS,
    "failures": [],
    "deselected": 3,
    "seeds": {"PYTHONHASHSEED": "random"},
    "interpreter": {"version": "3.10.13", "implementation": "CPython", "platform": "linux-x86_64"},
    "imports": {"thing": "/workspace/thing.py"},
    "timings": {"collect": 0.5, "total": 1.0},
    "argv": ["-q"],
}
REPORT = [
    {"event": "collected", "count": 4, "deselected": 3},
    {"event": "start", "id": "t.py::a"},
    {"event": "end", "id": "t.py::a", "outcome": "passed", "duration": 0.1},
    {"event": "start", "id": "t.py::b"},
    {"event": "failure", "id": "t.py::b", "phase": "call", "message": "assert 0"},
    {"event": "end", "id": "t.py::b", "outcome": "failed", "duration": 0.1},
    {"event": "start", "id": "t.py::c"},
]


def leave(folder: store.RunFolder, *, report: bool = False, **changes: object) -> None:
    """Write what the tests leave: a result with ``changes``, or no result at all."""
    if changes:
        (folder.path / "result" / "result.json").write_text(json.dumps({**RESULT, **changes}))
    if report:
        text = "".join(json.dumps(line) + "\n" for line in REPORT)
        (folder.path / "result" / "report.jsonl").write_text(text)


def told(folder: store.RunFolder, plan: Plan, exit_: Exit, run: float = 1.0) -> Record:
    story = collect.Story(folder, "unit-3.10", "unit", "3.10", "thing")
    story.planned(plan, TestgroundSection(image=plan.image))
    return story.record(exit_, None, {"run": run})


@pytest.mark.parametrize(
    ("code", "changes", "outcome", "cause"),
    [
        (0, {"cause": None}, "passed", None),
        (0, {"counts": {"xfailed": 1}}, "passed", None),
        (0, {"counts": {"skipped": 9}, "cause": "all-skipped"}, "no-tests", "all-skipped"),
        (0, {"counts": {}}, "no-tests", None),
        (5, {"counts": {}, "cause": "none-collected"}, "no-tests", "none-collected"),
        (1, {"counts": {"failed": 1}}, "failed", None),
        (2, {"cause": "collection"}, "failed", "collection"),
        (2, {"cause": "interrupted"}, "cancelled", "interrupted"),
        (2, {"cause": "stopped"}, "failed", "stopped"),
        (3, {"cause": "internal"}, "error", "internal"),
        (4, {"cause": "usage"}, "error", "usage"),
        (78, {"cause": "guard"}, "error", "guard"),
        (124, {"cause": "timeout"}, "timeout", "timeout"),
        (1, {"cause": "invented by the tests"}, "failed", None),
    ],
)
def test_the_result_of_the_tests_decides_where_the_host_agrees(
    folder: store.RunFolder, plan: Plan, *, code: int, changes: dict[str, Any], outcome: str, cause: str | None
) -> None:
    leave(folder, **{"exit_code": code, **changes})
    record = told(folder, plan, Exit(code))
    assert (record.outcome, record.cause) == (outcome, cause)


@pytest.mark.parametrize(
    ("exit_", "outcome", "cause"),
    [
        (Exit(137, "timeout"), "timeout", "timeout"),
        (Exit(137, "out-of-memory"), "failed", "out-of-memory"),
        (Exit(130, "cancelled"), "cancelled", "cancelled"),
        (Exit(1, "lost"), "error", "lost"),
        (Exit(139, "signal"), "failed", "crashed"),
        (Exit(137, "signal"), "failed", "killed"),
        (Exit(137), "failed", "killed"),
        (Exit(137, oom=True), "failed", "out-of-memory"),
        (Exit(0), "failed", "crashed"),
        (Exit(3), "failed", "crashed"),
        (Exit(143, "signal"), "cancelled", "interrupted"),
    ],
)
def test_without_a_result_the_host_and_the_report_tell(
    folder: store.RunFolder, plan: Plan, exit_: Exit, outcome: str, cause: str
) -> None:
    leave(folder, report=True)
    record = told(folder, plan, exit_)
    assert (record.outcome, record.cause) == (outcome, cause)
    ended = cause not in {"cancelled", "lost", "interrupted"}
    assert record.counts == Counts(passed=1, failed=1 + ended, deselected=3)
    assert record.failures[0] == Failure("t.py::b", "call", "assert 0")
    assert "t.py::c" in (record.message or "")
    assert [failure.id for failure in record.failures[1:]] == ["t.py::c"] * ended


@pytest.mark.parametrize(
    ("exit_", "changes", "last"),
    [
        (Exit(124), {"exit_code": 124, "cause": "timeout", "message": "not done after 6 s"}, "failure"),
        (Exit(124, "timeout"), {}, "failure"),  # the place's own limit
        (Exit(139, "signal"), {}, "failure"),
        (Exit(130, "cancelled"), {}, "error"),
    ],
    ids=["soft deadline", "hard limit", "crash", "cancelled"],
)
@pytest.mark.parametrize("written", [None, "<testsuites><testsuite><testcase"], ids=["none", "cut"])
def test_where_the_tests_are_ended_before_they_write_junit_the_run_has_one(
    folder: store.RunFolder, plan: Plan, exit_: Exit, changes: dict[str, object], last: str, written: str | None
) -> None:
    leave(folder, report=True, **changes)
    if written:
        (folder.path / "result" / "junit.xml").write_text(written)
    record = told(folder, plan, exit_)
    cases = list(ET.parse(folder.path / "junit.xml").getroot().iter("testcase"))
    assert [(case.get("classname"), case.get("name")) for case in cases] == [("t", "a"), ("t", "b"), ("t", "c")]
    assert [[child.tag for child in case] for case in cases] == [[], ["failure"], [last]]
    assert cases[2][0].get("message") == record.message
    assert (folder.path / "report.jsonl").exists()


@pytest.mark.parametrize("changes", [{}, {"exit_code": 124, "cause": "timeout"}], ids=["crash", "soft deadline"])
def test_junit_that_the_tests_wrote_stays(folder: store.RunFolder, plan: Plan, changes: dict[str, object]) -> None:
    leave(folder, report=True, **changes)
    (folder.path / "result" / "junit.xml").write_text("<testsuites><testsuite/></testsuites>")
    told(folder, plan, Exit(124))
    assert (folder.path / "junit.xml").read_text() == "<testsuites><testsuite/></testsuites>"


def test_where_no_test_began_there_is_no_junit(folder: store.RunFolder, plan: Plan) -> None:
    told(folder, plan, Exit(124, "timeout"))
    assert not (folder.path / "junit.xml").exists()


def test_a_crash_names_the_test_that_was_running_as_failed(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, report=True)
    record = told(folder, plan, Exit(139, "signal"))
    assert record.message == "the tests' process ended by SIGSEGV while t.py::c ran"
    assert record.failures[-1] == Failure("t.py::c", "call", record.message)


@pytest.mark.parametrize(
    ("code", "outcome", "cause"),
    [(127, "error", "lost"), (64, "error", "internal"), (3, "failed", "crashed"), (0, "failed", "crashed")],
)
def test_nothing_at_all_is_never_green(
    folder: store.RunFolder, plan: Plan, code: int, outcome: str, cause: str
) -> None:
    record = told(folder, plan, Exit(code))
    assert (record.outcome, record.cause) == (outcome, cause)
    assert "before the first test" in (record.message or "")


def test_a_test_that_hangs_until_the_suites_timeout_counts_as_failed(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, report=True, exit_code=124, cause="timeout", message="not done after 60 s")
    record = told(folder, plan, Exit(124))
    assert record.failures == (Failure("t.py::c", "call", "not done after 60 s"),)
    assert record.counts.failed == 1


def test_a_process_that_dies_after_a_green_result_is_not_green(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=0)
    record = told(folder, plan, Exit(139, "signal"))
    assert (record.outcome, record.cause, record.counts.passed) == ("failed", "crashed", 2)


def test_a_process_that_ends_with_0_after_a_failure_is_not_green(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=1, counts={"failed": 1, "passed": 1})
    assert told(folder, plan, Exit(0)).outcome == "failed"


def test_a_suite_past_its_time_without_a_result_is_a_timeout(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, report=True)
    assert told(folder, plan, Exit(1), run=60.5).outcome == "timeout"


def test_a_child_that_the_kernel_killed_explains_the_failure(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=1, counts={"failed": 1})
    record = told(folder, plan, Exit(1, oom=True))
    assert (record.outcome, record.cause) == ("failed", "out-of-memory")


def test_a_record_holds_what_was_planned_and_what_was_found(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=0)
    story = collect.Story(folder, "unit-3.10", "unit", "3.10", "thing")
    story.planned(plan, TestgroundSection(image=plan.image, digest="sha256:1"))
    story.carried = (".pytest_cache/x",)
    story.attempts = 2
    record = story.record(Exit(0), Head("abc", "main", dirty=True, changed=()), {"run": 1.0})
    assert record.place
    assert (record.place.name, record.testground.digest, record.source.commit) == ("container", "sha256:1", "abc")
    assert (record.select, record.argv, record.seeds) == ("not slow", ("-q",), {"PYTHONHASHSEED": "random"})
    assert record.timings == {"run": 1.0, "inside collect": 0.5, "inside total": 1.0}
    assert (record.written_back, record.attempts, record.interpreter.version) == ((".pytest_cache/x",), 2, "3.10.13")
    assert record.started <= record.ended
    store.write_record(folder, record)
    assert store.read_record(folder.path) == record


@pytest.mark.parametrize(
    ("error", "outcome", "cause"),
    [
        (EngineError("the engine is gone", "start it"), "error", "engine"),
        (ConfigError("no such key", "remove it", cause="config"), "error", "config"),
        (Cancelled("Ctrl-C", "run it again", cause="sigterm"), "cancelled", "sigterm"),
        (KeyboardInterrupt(), "cancelled", "interrupted"),
        (ZeroDivisionError("division"), "error", "internal"),
    ],
)
def test_a_run_that_breaks_leaves_a_record(
    folder: store.RunFolder, error: BaseException, outcome: str, cause: str
) -> None:
    story = collect.Story(folder, "unit-3.10", "unit", "3.10", "thing")
    leave(folder, report=True)
    record = story.broken(error, None, {})
    assert (record.outcome, record.cause, record.counts.passed) == (outcome, cause, 1)
    assert record.message


def test_junit_report_and_coverage_move_to_the_runs_folder(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=0, report=True)
    for name in ("junit.xml", ".coverage", ".coverage.host.1"):
        (folder.path / "result" / name).write_text(name)
    assert collect.any_test_began(folder)
    told(folder, plan, Exit(0))
    assert (folder.path / "junit.xml").read_text() == "junit.xml"
    assert {path.name for path in (folder.path / "coverage").iterdir()} == {".coverage", ".coverage.host.1"}
    assert [path.name for path in (folder.path / "result").iterdir()] == ["result.json"]
    assert collect.any_test_began(folder)


def test_no_test_began_where_there_is_no_report(folder: store.RunFolder) -> None:
    assert not collect.any_test_began(folder)
    (folder.path / "result" / "report.jsonl").write_text('{"event": "collected", "count": 1, "deselected": 0}\n')
    assert not collect.any_test_began(folder)


def test_links_and_pipes_of_the_tests_lead_nowhere(folder: store.RunFolder, plan: Plan, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "result.json").write_text(json.dumps(RESULT))
    result = folder.path / "result"
    (result / "result.json").symlink_to(outside / "result.json")
    (result / "junit.xml").symlink_to("/etc/passwd")
    os.mkfifo(result / "report.jsonl")
    (result / ".coverage.1").write_text("x")
    (folder.path / "coverage").symlink_to(outside)
    assert told(folder, plan, Exit(0)).outcome == "failed"
    assert not (folder.path / "junit.xml").exists()
    assert [path.name for path in outside.iterdir()] == ["result.json"]
    assert (folder.path / "coverage" / ".coverage.1").read_text() == "x"


def test_a_link_in_place_of_the_result_folder_leads_nowhere(
    folder: store.RunFolder, plan: Plan, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "result.json").write_text(json.dumps(RESULT))
    (folder.path / "result").rmdir()
    (folder.path / "result").symlink_to(outside)
    assert told(folder, plan, Exit(0)).outcome == "failed"


@pytest.mark.parametrize(
    "changes",
    [
        {"counts": {"passed": "2"}},
        {"counts": {"passed": -1}},
        {"counts": []},
        {"exit_code": None},
        {"failures": {"id": "x"}},
        {"argv": "rm -rf"},
        {"timings": {"total": "long"}},
    ],
)
def test_a_result_of_wrong_types_does_not_count(folder: store.RunFolder, changes: dict[str, Any]) -> None:
    leave(folder, **changes)
    assert read_result(folder.path / "result") is None


@settings(max_examples=60)
@given(
    data=st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(sorted(RESULT)), st.integers()).map(
        lambda found: json.dumps({**RESULT, **found}).encode()
    )
)
def test_no_content_of_the_result_crashes_us(folder: store.RunFolder, data: bytes) -> None:
    (folder.path / "result" / "result.json").write_bytes(data)
    (folder.path / "result" / "report.jsonl").write_bytes(data)
    read_result(folder.path / "result")
    assert isinstance(read_progress(folder.path / "result"), Progress)


def test_a_result_larger_than_any_real_one_is_not_read(
    folder: store.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(folder, exit_code=0)
    assert read_result(folder.path / "result")
    monkeypatch.setattr(results, "_RESULT_BYTES", 100)
    assert read_result(folder.path / "result") is None


def test_texts_and_lists_are_cut_and_plain(folder: store.RunFolder) -> None:
    leave(
        folder,
        message="\x1b[31mred\udc80" + "x" * 9000,
        failures=[{"id": f"t{number}", "phase": "call"} for number in range(20_000)],
        timings={"total": float("nan"), "run": 1.0},
        seeds={str(number): "s" * 999 for number in range(999)},
        argv=["a"] * 9999,
    )
    found = read_result(folder.path / "result")
    assert found
    assert found.message
    assert found.message.startswith("\\x1b[31mred\\udc80")
    assert len(found.message) < 2100
    assert (len(found.failures), len(found.seeds), len(found.argv)) == (10_000, 200, 200)
    assert found.timings == {"run": 1.0}
    json.dumps(found.message, ensure_ascii=False).encode()


def test_a_line_that_was_cut_off_does_not_hide_the_others(folder: store.RunFolder) -> None:
    report = folder.path / "result" / "report.jsonl"
    lines = [json.dumps(line).encode() for line in REPORT]
    report.write_bytes(b"\n".join([b"\xff\xfe", *lines[:3], b'{"event": 3}', b"x" * 200_000, *lines[3:]]) + b'\n{"eve')
    progress = read_progress(report.parent)
    assert (progress.counts.passed, progress.counts.failed, progress.running) == (1, 1, ("t.py::c",))


def test_secrets_are_masked_in_the_record_and_so_in_the_summary(
    folder: store.RunFolder, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-hunter2")
    leave(folder, exit_code=1, message="no access with hunter2-hunter2", argv=["--token", "hunter2-hunter2"])
    record = told(folder, plan, Exit(1))
    assert "hunter2" not in str(record)
    assert "***" in collect.summary_line(record, folder)


def test_what_a_machine_says_of_itself_is_short_and_text_alone(folder: store.RunFolder, plan: Plan) -> None:
    leave(folder, exit_code=0)
    story = collect.Story(folder, "vmtest-3.10", "vmtest", "3.10", "thing")
    story.planned(plan, TestgroundSection(image=plan.image))
    story.facts = Facts(machine=Machine(name="vmtest", kernel="\x1b[2J6.1", system="x" * 10**6, ready=1.5))
    found = story.record(Exit(0), None, {"run": 1.0}).machine
    assert found is not None
    assert (found.name, found.kernel, len(found.system), found.ready) == ("vmtest", "\\x1b[2J6.1", 200, 1.5)
