"""Tests in quarantine, as a run gets them: those whose day has not passed."""

from __future__ import annotations

from datetime import datetime, timezone

import msgspec

from noxlib.config.project import Project
from noxlib.sessions.context import say

DAY = len("2026-12-31")


def current(project: Project, *, warn: bool) -> tuple[dict[str, str], ...]:
    """Each test (id or glob) with owner, reason and last day.

    Args:
        project: The project.
        warn: Say which quarantines are over, so that their tests count again, and which name a file that is not there.
    """
    today = datetime.now(timezone.utc).date().isoformat()
    held = []
    for test, entry in project.config.quarantine.items():
        file = test.partition("::")[0]
        if entry.expires[:DAY] < today:
            told = f"is over since {entry.expires}, and the test counts again ({entry.owner}: {entry.reason})"
        elif not any(mark in file for mark in "*?[") and not (project.root / file).exists():
            told = f"names no test: there is no {file} ({entry.owner})"
        else:
            held.append({"test": test, **msgspec.to_builtins(entry)})
            continue
        if warn:
            say(f"noxlib: the quarantine of {test} {told}")
    return tuple(held)
