"""Severities as they were asked for, decided by the worst run; messages that mention nobody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.records import alerting
from noxlib.records.record import Record
from noxlib.records.report import Run

NOWHERE = Path("/nonexistent")


def run(session: str = "unit-3.10", **changes: Any) -> Run:
    fields = {"run": "r", "session": session, "suite": "unit", "python": "3.10", "project": "p", "outcome": "passed"}
    return Run(NOWHERE, session, msgspec.convert({**fields, **changes}, Record))


def counted(passed: int, failed: int, **others: int) -> Run:
    return run(outcome="failed" if failed else "passed", counts={"passed": passed, "failed": failed, **others})


@pytest.mark.parametrize(
    ("passed", "failed", "severity", "color", "needed"),
    [
        (49, 51, "critical", "danger", True),
        (50, 50, "warning", "warning", True),
        (79, 21, "warning", "warning", True),
        (80, 20, "info", "warning", False),
        (100, 0, "info", "warning", False),
    ],
)
def test_the_success_rate_decides(passed: int, failed: int, severity: str, color: str, needed: bool) -> None:
    found = [counted(passed, failed)]
    analysis = alerting.analyse(found)
    assert (analysis.severity, analysis.needs_alert) == (severity, needed)
    assert alerting.payload(found, analysis).color == color
    assert (analysis.total_tests, analysis.failed_tests) == (100, failed)


def test_skipped_tests_did_not_run_and_errors_failed() -> None:
    analysis = alerting.analyse([counted(3, 0, skipped=95, errors=1, xfailed=0)])
    assert analysis.success_rate == pytest.approx(0.75)


@pytest.mark.parametrize("outcome", ["error", "timeout", "no-tests", "cancelled"])
def test_a_run_without_a_result_is_not_hidden_by_others(outcome: str) -> None:
    dead = run("unit-3.9", outcome=outcome, counts={"passed": 5})
    analysis = alerting.analyse([counted(1000, 0), dead])
    assert (analysis.lowest, analysis.severity, analysis.needs_alert) == (0.0, "critical", True)
    assert analysis.success_rate == 1.0


def test_a_missing_record_is_critical() -> None:
    assert alerting.analyse([Run(NOWHERE, "unit-3.10")]).severity == "critical"


def test_the_threshold_decides_whether_not_how_grave() -> None:
    found = [counted(99, 1)]
    assert not alerting.analyse(found, 0.99).needs_alert
    analysis = alerting.analyse(found, 1.0)
    assert (analysis.needs_alert, analysis.severity) == (True, "info")


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_rate_is_from_0_to_1_and_its_severity_follows_it(passed: int, failed: int) -> None:
    analysis = alerting.analyse([counted(passed, failed)])
    assert 0 <= analysis.success_rate <= 1
    assert (analysis.severity == "critical") == (analysis.lowest < 0.5)
    assert analysis.needs_alert == (analysis.lowest < 0.8)


def test_the_message_says_what_the_seed_of_it_said() -> None:
    source = {"commit": "c" * 40, "branch": "feature/x"}
    found = [
        run(outcome="failed", counts={"passed": 1, "failed": 2}, source=source, place={"name": "vm", "reason": ""})
    ]
    text = alerting.payload(found, alerting.analyse(found)).text
    for line in ("🚨 CRITICAL: p test failure", "Success Rate: 33.3%", "Total Tests: 3", "Failed Tests: 2"):
        assert line in text.splitlines()
    for line in ("Environment: vm", f"Commit: {'c' * 40}", "Branch: feature/x"):
        assert line in text.splitlines()


def test_names_mention_nobody_and_take_one_line() -> None:
    failures = [{"id": "<!channel> @all\n\x1b[31m&", "phase": "call"}]
    found = [run(outcome="failed", failures=failures, source={"branch": "<@U1>\nSuccess Rate: 100.0%"})]
    text = alerting.payload(found, alerting.analyse(found)).text
    assert not any(word in text for word in ("<!", "@all", "<@", "\x1b"))
    assert "Success Rate: 100.0%" not in text.splitlines()


def test_the_message_stays_short_however_many_sessions_failed() -> None:
    found = [run(f"unit-{number}", outcome="error", message="x" * 9999) for number in range(500)]
    text = alerting.payload(found, alerting.analyse(found)).text
    assert len(text) < 10_000
    assert "and 480 more" in text
