"""Whether records are worth an alert, how grave it is, and what it says."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Literal

import msgspec

from noxlib.plan import Outcome
from noxlib.records.outcome import ran
from noxlib.records.report import Run
from noxlib.records.result import text

Severity = Literal["critical", "warning", "info"]

CRITICAL = 0.5  #: a success rate below it is critical
WARNING = 0.8  #: a success rate below it is a warning, and by itself worth an alert
_SESSIONS = 20  # listed at most
_NAME = 200  # characters
#: Ended otherwise than by their tests: whatever had passed by then, the run gave no result.
_WITHOUT_RESULT: frozenset[Outcome] = frozenset(("error", "timeout", "no-tests", "cancelled"))


class Analysis(msgspec.Struct, frozen=True):
    """What the records say. ``success_rate`` is from 0 to 1, of all tests that ran; ``lowest`` of the worst run."""

    success_rate: float
    lowest: float
    total_tests: int
    failed_tests: int
    severity: Severity
    needs_alert: bool


class Payload(msgspec.Struct, frozen=True):
    """What is posted: the form of Slack's, Mattermost's and Rocket.Chat's incoming webhooks."""

    text: str
    color: Literal["danger", "warning"]


def analyse(found: Sequence[Run], threshold: float = WARNING) -> Analysis:
    """The analysis of some runs.

    The worst run decides: a Python on which nothing runs any more must not vanish among three others that pass. A run
    that gave no result (an error, a timeout, no test, no record) has the rate 0.

    Args:
        found: Runs, at least one.
        threshold: An alert is due where the worst run's rate is below it.
    """
    rates = [rate(run) for run in found]
    total = sum(_total(run) for run in found)
    failed = sum(run.counts.failed + run.counts.errors for run in found)
    lowest = min(rates)
    return Analysis(
        success_rate=(total - failed) / total if total else 0.0,
        lowest=lowest,
        total_tests=total,
        failed_tests=failed,
        severity=severity(lowest),
        needs_alert=lowest < threshold,
    )


def rate(run: Run) -> float:
    """The part of a run's tests that did not fail; what was skipped did not run. 0 for a run without a result."""
    total = _total(run)
    if run.record is None or run.record.outcome in _WITHOUT_RESULT or not total:
        return 0.0
    return 1 - (run.counts.failed + run.counts.errors) / total


def severity(lowest: float) -> Severity:
    """Critical below 0.5, a warning below 0.8, else for information."""
    if lowest < CRITICAL:
        return "critical"
    return "warning" if lowest < WARNING else "info"


def payload(found: Sequence[Run], analysis: Analysis) -> Payload:
    """What is posted. Names come from tests and branches: they can neither mention nor link."""
    first = next((run.record for run in found if run.record), None)
    project = first.project if first else "unknown"
    lines = [
        f"🚨 {analysis.severity.upper()}: {plain(project)} test failure",
        "",
        f"Success Rate: {analysis.success_rate * 100:.1f}%{_lowest(analysis)}",
        f"Total Tests: {analysis.total_tests}",
        f"Failed Tests: {analysis.failed_tests}",
        "",
        f"Environment: {plain(_environment(found))}",
        f"Commit: {plain((first.source.commit if first else None) or 'unknown')}",
        f"Branch: {plain((first.source.branch if first else None) or 'unknown')}",
        "",
        *_sessions(found),
    ]
    return Payload("\n".join(lines), "danger" if analysis.severity == "critical" else "warning")


def _lowest(analysis: Analysis) -> str:
    """What decided, where it is another number than that of all tests together."""
    differs = analysis.success_rate - analysis.lowest > 0.0005  # noqa: PLR2004 - as shown
    return f" (lowest of a session: {analysis.lowest * 100:.1f}%)" if differs else ""


def _environment(found: Sequence[Run]) -> str:
    """The environment profiles, else the places."""
    records = [run.record for run in found if run.record]
    profiles = [record.profile.name for record in records if record.profile]
    places = [record.place.name for record in records if record.place]
    return ", ".join(dict.fromkeys(profiles or places)) or "unknown"


def _sessions(found: Sequence[Run]) -> list[str]:
    bad = [run for run in found if run.outcome != "passed"]
    lines = [f"{plain(run.session)}: {_told(run)}" for run in bad[:_SESSIONS]]
    return [*lines, f"and {len(bad) - _SESSIONS} more"] if len(bad) > _SESSIONS else lines


def _told(run: Run) -> str:
    failures = run.record.failures if run.record else ()
    what = failures[0].id if failures else run.message
    return ": ".join(part for part in (run.outcome, plain(what)) if part)


def plain(value: str) -> str:
    """One line that mentions nobody: `<!channel>` and `@all` are text."""
    line = " ".join(text(value).split())[:_NAME]
    return html.escape(line, quote=False).replace("@", "@\u200b")


def _total(run: Run) -> int:
    return ran(run.counts) + run.counts.errors
