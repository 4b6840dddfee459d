"""What became of each test, by its id, over any number of reports: of shards, of Pythons, of runs that were repeated.

The result depends on the reports alone, not on the order in which they arrive: every attempt has a place of its own
(its run's start, its run, its shard, its line), and the last attempt by that place counts. Reports are read line by
line; what is kept is a few words a test.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from noxlib.records import result as results
from noxlib.records.record import Counts
from noxlib.records.report import Run
from noxlib.records.result import Event

_ID = 4000  # characters
_OF_COUNTS = {"passed", "failed", "skipped", "xfailed", "xpassed"}
CRASHED = "crashed"  #: the outcome of a test that began and never ended
#: The first of these that a test has on any Python is its outcome over all of them.
SEVERITY = (CRASHED, "error", "failed", "xpassed", "passed", "xfailed", "skipped")
GOOD, BAD = frozenset({"passed", "xfailed"}), frozenset({"failed", "error", "crashed", "xpassed"})


class Part(msgspec.Struct, frozen=True, order=True):
    """Whose report it is. ``started`` is ISO 8601 in UTC, so that its order is that of time."""

    started: str
    run: str
    shard: int = 0
    python: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """The last attempt at a test on a Python, and what there was before it."""

    place: tuple[Part, int]
    outcome: str
    seconds: float
    attempts: int
    outcomes: frozenset[str]
    setup: float = 0.0  #: seconds before the call, a part of the others


class Merged:
    """The tests that were merged so far."""

    def __init__(self) -> None:
        self.by_id: dict[str, dict[str, Attempt]] = {}  #: id -> Python -> the last attempt
        self.parts: set[Part] = set()

    def add(self, part: Part, events: Iterable[Event]) -> None:
        """Take a report in; one that was taken in already is left out."""
        if part in self.parts:
            return
        self.parts.add(part)
        began: dict[str, int] = {}
        for line, event in enumerate(events):
            if event.event == "start":
                began[event.id] = line
            elif event.event == "end":
                began.pop(event.id, None)
                self._attempt(part, line, event)
        for test, line in began.items():
            self._attempt(part, line, Event("end", test, CRASHED))

    def _attempt(self, part: Part, line: int, event: Event) -> None:
        test, outcome = event.id, event.outcome
        if outcome not in SEVERITY:
            return
        seconds = _sensible(event.duration)
        setup = min(_sensible(event.setup), seconds)
        made = Attempt((part, line), outcome, seconds, 1, frozenset((outcome,)), setup)
        pythons = self.by_id.setdefault(results.text(test, _ID), {})
        known = pythons.get(part.python)
        if known is not None:
            last = max(known, made, key=lambda attempt: attempt.place)
            attempts, outcomes = known.attempts + 1, known.outcomes | made.outcomes
            made = msgspec.structs.replace(last, attempts=attempts, outcomes=outcomes)
        pythons[part.python] = made

    def __iter__(self) -> Iterator[tuple[str, dict[str, Attempt]]]:
        """Each test and its attempts by Python, in the order of the ids."""
        for test in sorted(self.by_id):
            yield test, self.by_id[test]

    def counts(self) -> Counts:
        """Tests by their worst outcome over all Pythons, each counted once; a crash is a failure."""
        found = dict.fromkeys(("errors", *_OF_COUNTS), 0)
        for pythons in self.by_id.values():
            worst = next(word for word in SEVERITY if any(one.outcome == word for one in pythons.values()))
            found[{CRASHED: "failed", "error": "errors"}.get(worst, worst)] += 1
        return Counts(**found)

    def differing(self) -> Iterator[tuple[str, list[str], list[str]]]:
        """Tests that fail on some Pythons and pass on others: id, the Pythons that fail, those that pass."""
        for test, pythons in self:
            bad = [python for python in sorted(pythons) if pythons[python].outcome in BAD]
            good = [python for python in sorted(pythons) if pythons[python].outcome in GOOD]
            if bad and good:
                yield test, bad, good


def _sensible(seconds: float) -> float:
    return seconds if math.isfinite(seconds) and seconds >= 0 else 0.0


def differing(found: Sequence[Run]) -> Iterator[tuple[str, list[str], list[str]]]:
    """As ``Merged.differing``, suite by suite; nothing is read where nothing failed."""
    for suite in sorted({run.record.suite for run in found if run.record}):
        runs = [run for run in found if run.record and run.record.suite == suite]
        if len({run.outcome for run in runs}) > 1:
            yield from of_runs(runs).differing()


def of_runs(found: Sequence[Run]) -> Merged:
    """The tests of runs with a record; those of one suite belong together."""
    merged = Merged()
    for run in found:
        if run.record is not None:
            part = Part(run.record.started, run.record.run, 0, run.record.python)
            merged.add(part, results.events(run.folder / "report.jsonl"))
    return merged
