"""What result.json means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Callable

import msgspec
import pytest

from noxlib.inside import result
from noxlib.places.host import Exit
from noxlib.records.outcome import judge
from noxlib.records.record import Counts
from noxlib.records.result import Progress, Result

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("exit_code", "cause", "counts", "expected"),
    [
        (0, None, {"passed": 1}, "passed"),
        (0, None, {"xfailed": 1, "skipped": 9}, "passed"),
        (0, "all-skipped", {"skipped": 285}, "no-tests"),
        (0, None, {}, "no-tests"),
        (5, "none-collected", {}, "no-tests"),
        (1, None, {"passed": 1, "failed": 1}, "failed"),
        (1, None, {"passed": 1, "errors": 1}, "failed"),
        (1, "crashed", {"failed": 1}, "failed"),
        (2, "collection", {"errors": 1}, "failed"),
        (4, "collection", {}, "failed"),
        (2, "interrupted", {"passed": 1}, "cancelled"),
        (2, "exit", {"passed": 1}, "failed"),
        (3, "internal", {}, "error"),
        (4, "usage", {}, "error"),
        (78, "guard", {"passed": 5}, "error"),
        (124, "timeout", {"passed": 5}, "timeout"),
    ],
)
def test_outcome(exit_code: int, cause: str | None, counts: dict[str, int], expected: str) -> None:
    assert result.outcome({"exit_code": exit_code, "cause": cause, "counts": counts}) == expected


@pytest.mark.parametrize(
    ("counts", "cause"),
    [({}, "none-collected"), ({"deselected": 3}, "all-deselected"), ({"deselected": 3, "skipped": 1}, "all-skipped")],
)
def test_a_session_without_tests_says_why(counts: dict[str, int], cause: str) -> None:
    assert result.no_tests_cause(counts) == cause


def test_counts_are_those_of_the_record() -> None:
    assert tuple(field.name for field in msgspec.structs.fields(Counts)) == result.COUNTS


def test_the_result_is_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    for code in (1, 0):
        result.write(str(tmp_path), {"exit_code": code})
    assert json.loads((tmp_path / "result.json").read_text()) == {"exit_code": 0}
    assert [file.name for file in tmp_path.iterdir()] == ["result.json"]


@pytest.mark.parametrize("text", [None, "", "a" * 5000, "lone \udce4 surrogate"])
def test_messages_are_short_and_can_be_encoded(text: Any) -> None:
    short = result.shorten(text)
    assert len(short.encode("utf-8")) <= 2000


@pytest.mark.parametrize("cause", result.OUTCOME_OF_CAUSE)
def test_a_record_has_the_outcome_that_the_tests_own_process_tells(cause: str) -> None:
    found = Result(exit_code=3, cause=cause)
    assert judge(Exit(3), found, Progress()).outcome == result.OUTCOME_OF_CAUSE[cause]


def test_a_junit_file_that_cannot_be_kept_costs_no_result(run: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "result" / "junit.xml").mkdir(parents=True)
    done = run("src_layout", "--junitxml=own.xml", "-k", "not integration and not vmtest")
    assert done.counts["passed"] > 0
    assert "noxlib: junit.xml is not whole: " in done.output
