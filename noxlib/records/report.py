"""Runs gathered for a report: their records, and those that left none. Which engine made a record is never asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Optional

import msgspec

from noxlib.errors import RecordError
from noxlib.owner import Owner, alive
from noxlib.plan import Plan
from noxlib.records import result as results
from noxlib.records.folders import RunFolder, runs
from noxlib.records.record import Counts, PerformanceSection, Record
from noxlib.records.store import read_record

MISSING = "missing"
COLUMNS = ("session", "outcome", "#passed", "#failed", "#skipped", "#subtests", "#seconds", "place", "testground")
_NAME = 200  # characters of a session's name: a record from elsewhere may hold anything
_SHORT = 12  # hex digits of a digest


class Run(msgspec.Struct, frozen=True):
    """One run: its folder, and its record; without one ``problem`` says why."""

    folder: Path
    session: str
    record: Optional[Record] = None
    problem: str = ""

    @property
    def outcome(self) -> str:
        """The record's outcome, or ``missing``: what was planned and left no record is never green."""
        return self.record.outcome if self.record else MISSING

    @property
    def counts(self) -> Counts:
        return self.record.counts if self.record else Counts()

    @property
    def message(self) -> str:
        """Why it is not green, in one line; empty for a run that passed."""
        if self.record is None:
            return self.problem
        told = self.record.message or self.record.cause or ""
        return "" if self.record.outcome == "passed" else " ".join(told.split())


def newest(checkout: Path) -> list[Run]:
    """The newest run of each session of a checkout, by the sessions' names.

    Raises:
        RecordError: there is none.
    """
    found: dict[str, RunFolder] = {}
    for folder in runs(checkout):
        found.setdefault(folder.session, folder)
    if not found:
        raise RecordError("no run has left a record", "run tests first: nox -s unit")
    return [_read(found[session].path, session) for session in sorted(found)]


def below(folders: Iterable[Path]) -> list[Run]:
    """Every run at or below the folders, such as artifacts that were fetched, each once, in the order of the names.

    Raises:
        RecordError: a folder is not there, or holds no run.
    """
    found: dict[Path, Run] = {}
    for folder in folders:
        paths = list(_runs_below(folder))
        if not paths:
            raise RecordError(f"{folder} holds no record of a run", "name the folder of a run, or one above such")
        found.update({path.resolve(): _read(path, RunFolder(path, path).session) for path in paths})
    return sorted(found.values(), key=lambda run: (run.session, run.folder.name))


def _runs_below(folder: Path) -> Iterator[Path]:
    for path, folders, files in os.walk(folder):
        folders.sort()
        if "record.json" in files or "plan.json" in files:
            folders.clear()
            yield Path(path)


def _read(path: Path, session: str) -> Run:
    if not os.path.lexists(path / "record.json"):
        plan = results.read(path / "plan.json", Plan)
        owner = results.read(path / "owner.json", Owner)
        running = owner is not None and alive(owner)
        problem = "still running" if running else "planned, and no record was left"
        return Run(path, results.text(plan.session if plan else session, _NAME), problem=problem)
    try:
        record = read_record(path)
    except RecordError as error:
        return Run(path, session, problem=error.what)
    return Run(path, results.text(record.session, _NAME), record)


def rows(found: Sequence[Run]) -> list[tuple[str, ...]]:
    """The values of ``COLUMNS`` for each run. Subtests are counted apart from tests."""
    return [_row(run) for run in found]


def _row(run: Run) -> tuple[str, ...]:
    counts, record = run.counts, run.record
    numbers = (counts.passed + counts.xpassed, counts.failed + counts.errors, counts.skipped + counts.xfailed)
    return (
        run.session,
        run.outcome,
        *(str(number) if number else "" for number in numbers),
        subtests(counts),
        f"{record.timings['run']:.1f}" if record and "run" in record.timings else "",
        record.place.name if record and record.place else "",
        short(record.testground.digest) if record else "",
    )


def subtests(counts: Counts) -> str:
    """``7``, ``7, 2 failed``; empty where there were none."""
    total = counts.subtests_passed + counts.subtests_failed + counts.subtests_skipped
    failed = f", {counts.subtests_failed} failed" if counts.subtests_failed else ""
    return f"{total}{failed}" if total else ""


def short(digest: Optional[str]) -> str:
    """The first digits of a digest, without the name of its algorithm."""
    return (digest or "").rpartition(":")[2][:_SHORT]


def failures(found: Sequence[Run]) -> Iterator[tuple[str, str, str]]:
    """Session, test and message of each failure; for a run that is not green without one, its own message."""
    for run in found:
        listed = run.record.failures if run.record else ()
        for failure in listed:
            yield run.session, failure.id, failure.message
        if not listed and run.outcome != "passed":
            yield run.session, "", f"{run.outcome}: {run.message}" if run.message else run.outcome


def headline(found: Sequence[Run]) -> str:
    """``3 runs: 2 passed, 1 missing``."""
    names = [run.outcome for run in found]
    counted = ", ".join(f"{names.count(name)} {name}" for name in dict.fromkeys(sorted(names, key=_rank)))
    return f"{len(found)} {'run' if len(found) == 1 else 'runs'}: {counted}"


def _rank(outcome: str) -> tuple[bool, str]:
    return outcome != "passed", outcome


def comparisons(found: Sequence[Run]) -> Iterator[tuple[str, PerformanceSection]]:
    """Session and section of each comparison of speed."""
    for run in found:
        if run.record and run.record.performance:
            yield run.session, run.record.performance
