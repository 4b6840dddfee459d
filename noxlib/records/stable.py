"""The tests that a history knows as stable."""

from __future__ import annotations

import hashlib
import sqlite3

DIGITS = 8  #: of a test's digest, as ``inside/reruns.py`` has it
_PASSED = """
SELECT DISTINCT tests.id FROM results JOIN tests ON tests.number = results.test JOIN runs ON runs.number = results.run
WHERE runs.suite = ? AND results.outcome = 'passed'
"""


def digests(database: sqlite3.Connection, suite: str) -> list[str]:
    """The digests of a suite's tests that have passed once: a new one passes only where all of its runs do."""
    return sorted({digest(test) for (test,) in database.execute(_PASSED, (suite,))})


def digest(test: str) -> str:
    """A test's id in few characters: 10,000 of them are 80 kB of a plan."""
    return hashlib.sha256(test.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]
