"""A pytest plugin for the plain environment: outcome by test id, as JSON. Shares no code with noxlib's own plugin."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

outcomes: dict[str, str] = {}
skipped_modules: list[str] = []


def pytest_runtest_logreport(report: Any) -> None:
    """What pytest's own last line counts, test by test."""
    known = outcomes.get(report.nodeid)
    if report.failed and report.when != "call":
        outcomes[report.nodeid] = "error"
    elif hasattr(report, "wasxfail") and (report.skipped or report.passed):
        outcomes[report.nodeid] = "xfailed" if report.skipped else "xpassed"
    elif report.outcome == "rerun":
        outcomes.pop(report.nodeid, None)
    elif report.when == "call" or (report.skipped and known is None):
        outcomes[report.nodeid] = report.outcome


def pytest_collectreport(report: Any) -> None:
    """A module that cannot be imported, or that skips itself as a whole."""
    if report.failed:
        outcomes[report.nodeid] = "error"
    elif report.skipped:
        skipped_modules.append(report.nodeid)


def pytest_sessionfinish(exitstatus: int) -> None:
    """Leave the file that REAL_OUTCOMES names."""
    found = {"exit_code": int(exitstatus), "tests": outcomes, "skipped_modules": len(skipped_modules)}
    Path(os.environ["REAL_OUTCOMES"]).write_text(json.dumps(found), encoding="utf-8")
