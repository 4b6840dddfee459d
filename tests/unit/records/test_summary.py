"""A run in one line, and what to type next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import msgspec
import pytest

from noxlib.records.badge import badge
from noxlib.records.collect import advice, summary_line
from noxlib.records.record import Counts, Failure, PlaceSection, ProfileSection, Record, TestgroundSection

if TYPE_CHECKING:
    from noxlib.records.store import RunFolder

PASSED = Record(
    run="r",
    session="unit-3.10",
    suite="unit",
    python="3.10",
    project="thing",
    outcome="passed",
    place=PlaceSection("container", "an engine answers"),
    testground=TestgroundSection(image="ghcr.io:443/x/thing-testground:py3.10-abc"),
    counts=Counts(passed=123, skipped=4, deselected=2),
    timings={"run": 3.21, "configuration": 9.0},
)


def failed(*tests: str, **changes: object) -> Record:
    failures = tuple(Failure(test, "call", "assert 0") for test in tests)
    return msgspec.structs.replace(PASSED, outcome="failed", failures=failures, **changes)


def test_a_passed_run_is_one_line(folder: RunFolder) -> None:
    assert summary_line(PASSED, folder) == (
        "unit-3.10 passed: 123 passed, 4 skipped, 2 deselected in 3.2 s "
        f"(container, py3.10-abc; .noxlib/runs/{folder.name})"
    )
    assert advice(PASSED) == ()


def test_a_failed_run_says_why_in_one_line(folder: RunFolder) -> None:
    record = failed("t.py::a", cause="crashed", message="the process\nended", counts=Counts(errors=1))
    assert summary_line(record, folder) == (
        f"unit-3.10 failed (crashed): 1 error in 3.2 s (container, py3.10-abc; .noxlib/runs/{folder.name})"
        ": the process ended"
    )


def test_a_cause_that_says_no_more_than_the_outcome_is_left_out(folder: RunFolder) -> None:
    record = msgspec.structs.replace(PASSED, outcome="timeout", cause="timeout")
    assert summary_line(record, folder).startswith("unit-3.10 timeout: ")


def test_a_fallback_is_named(folder: RunFolder) -> None:
    record = msgspec.structs.replace(
        PASSED, place=PlaceSection("venv", "no engine", fallback=True), testground=TestgroundSection()
    )
    assert "(venv, a fallback; " in summary_line(record, folder)


def test_a_run_without_place_and_tests_has_a_line_too(folder: RunFolder) -> None:
    record = Record(run="r", session="s", suite="u", python="", project="p", outcome="error", cause="engine")
    assert summary_line(record, folder) == f"s error (engine): no tests in 0.0 s (no place; .noxlib/runs/{folder.name})"
    assert advice(record) == ("a shell in the same environment: nox -s testground_shell",)


@pytest.mark.parametrize("test", ["tests/test_a.py::test_b", "t.py::t[a b'c; $(id)]", "t.py::t[\n]"])
def test_the_first_failure_is_run_again_by_the_command_that_is_shown(test: str) -> None:
    line, shell = advice(failed(test, "t.py::other"))
    assert shlex.split(line.partition(": ")[2]) == ["nox", "-s", "unit-3.10", "--", test]
    assert shell.endswith("nox -s testground_shell-3.10")


def test_an_id_that_looks_like_an_option_is_pytests() -> None:
    assert advice(failed("--keep"))[0].endswith("nox -s unit-3.10 -- -- --keep")


def test_an_id_that_holds_a_secret_is_not_shown() -> None:
    assert len(advice(failed("t.py::t[***]"))) == 1


def test_a_run_without_tests_tells_the_selection() -> None:
    record = msgspec.structs.replace(PASSED, outcome="no-tests", select="not slow")
    assert "'not slow'" in advice(record)[0]
    assert "[tool.noxlib.unit]" in advice(record)[0]


@pytest.mark.parametrize(
    ("percent", "value", "colour"),
    [(100, "100%", "#4c1"), (99.99, "99%", "#4c1"), (80.5, "80%", "#a4a61d"), (0, "0%", "#e05d44")],
)
def test_a_badge_shows_the_percentage_in_its_colour(percent: float, value: str, colour: str) -> None:
    svg = badge(percent)
    assert f">{value}</text>" in svg
    assert f'fill="{colour}"' in svg


def test_a_place_that_was_asked_for_is_asked_for_again() -> None:
    record = failed("t.py::a", place=PlaceSection("venv", "asked for by --place"))
    assert advice(record) == (
        "run it again: nox -s unit-3.10 -- --place venv t.py::a",
        "a shell in the same environment: nox -s testground_shell-3.10 -- --place venv",
    )


def test_a_script_is_run_again_in_the_environment_that_was_asked_for() -> None:
    profile = ProfileSection("ci", "asked for by --env-config", "", 2.0, 4)
    record = msgspec.structs.replace(failed("test.sh"), session="script", suite="script", profile=profile)
    assert advice(record)[0] == "run it again: nox -s script -- --env-config ci"


def test_a_script_without_tests_is_told_of_no_selection() -> None:
    record = msgspec.structs.replace(PASSED, session="script", suite="script", outcome="no-tests")
    assert advice(record)[0] == (
        "no test was run, which is never a success: the script itself says that it has none (1..0)"
    )
