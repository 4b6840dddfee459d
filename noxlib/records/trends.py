"""What the history of the tests says: how long they take, which are flaky, how one of them fared."""

from __future__ import annotations

import sqlite3
from itertools import groupby
from statistics import median

import msgspec

LAST = 5  #: results that a duration is made of
_RAN = "('passed', 'failed', 'xfailed', 'xpassed', 'error')"
_BAD = "('failed', 'error', 'crashed')"


class Duration(msgspec.Struct, frozen=True):
    """Seconds of a test, and of its set-up, which is a part of them: the medians of its last results."""

    id: str
    seconds: float
    results: int
    setup: float = 0.0


class Flaky(msgspec.Struct, frozen=True):
    """A test that passed and failed in one session on one commit; or passed after it had failed, within a run."""

    id: str
    session: str
    failed: int
    results: int
    last: str  #: when it failed last, ISO 8601 in UTC


class Past(msgspec.Struct, frozen=True):
    """One result of a test."""

    id: str
    run: str
    session: str
    outcome: str
    seconds: float
    commit: str
    message: str


def durations(database: sqlite3.Connection, suite: str = "", python: str = "") -> list[Duration]:
    """Each test's duration, the slowest first; of a suite or a Python alone where one is named."""
    rows = database.execute(
        f"""
        SELECT id, seconds, setup FROM (
            SELECT tests.id AS id, seconds, setup,
                row_number() OVER (PARTITION BY test ORDER BY started DESC, name DESC) AS nth
            FROM results JOIN runs ON runs.number = results.run JOIN tests ON tests.number = results.test
            WHERE results.outcome IN {_RAN} AND ? IN ('', suite) AND ? IN ('', python)
        ) WHERE nth <= ? ORDER BY id
        """,  # noqa: S608 - constants of ours
        (suite, python, LAST),
    )
    found = []
    for test, group in groupby(rows, key=lambda row: str(row[0])):
        seconds, setups = zip(*((float(row[1]), float(row[2])) for row in group))
        found.append(Duration(test, median(seconds), len(seconds), median(setups)))
    return sorted(found, key=lambda one: (-one.seconds, one.id))


def flaky(database: sqlite3.Connection) -> list[Flaky]:
    """Flaky tests, those that fail most often first. The code was the same: a commit, and nothing changed since."""
    rows = database.execute(
        f"""
        SELECT tests.id, session, sum(results.outcome IN {_BAD}) AS failed, count(*) AS many,
            max(CASE WHEN results.outcome IN {_BAD} OR attempts > 1 THEN started ELSE '' END)
        FROM results JOIN runs ON runs.number = results.run JOIN tests ON tests.number = results.test
        WHERE (results.outcome = 'passed' OR results.outcome IN {_BAD}) AND commit_id IS NOT NULL AND dirty = 0
        GROUP BY test, session, commit_id
        HAVING (failed > 0 AND failed < many) OR max(attempts > 1 AND results.outcome = 'passed')
        ORDER BY tests.id, session
        """  # noqa: S608 - constants of ours
    )
    found = []
    for (test, session), group in groupby(rows, key=lambda row: (str(row[0]), str(row[1]))):
        commits = list(group)
        failed, many = sum(row[2] for row in commits), sum(row[3] for row in commits)
        found.append(Flaky(test, session, failed, many, max(str(row[4]) for row in commits)))
    return sorted(found, key=lambda one: (-one.failed / one.results, one.id, one.session))


def past(database: sqlite3.Connection, words: str, limit: int, *, bad: bool = False) -> list[Past]:
    """The last results of the tests whose id holds the words, the newest first; with ``bad`` the failures alone."""
    only = f"AND results.outcome IN {_BAD}" if bad else ""
    rows = database.execute(
        f"""
        SELECT tests.id, name, session, results.outcome, seconds, coalesce(commit_id, ''), coalesce(message, '')
        FROM results JOIN runs ON runs.number = results.run JOIN tests ON tests.number = results.test
        WHERE instr(tests.id, ?) {only}
        ORDER BY started DESC, name DESC, tests.id LIMIT ?
        """,  # noqa: S608 - constants of ours
        (words, limit),
    )
    return [Past(*row) for row in rows]
