"""Reports merged by test id: the same whatever arrives first, each test once, the last attempt counts."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.records import merging
from noxlib.records.merging import CRASHED, Merged, Part
from noxlib.records.record import Counts, Record
from noxlib.records.report import Run
from noxlib.records.result import Event

PYTHONS = ("3.9", "3.12")
OUTCOMES = st.sampled_from([*merging.SEVERITY, "nonsense"])
#: Lines of a report: a test and its outcome; None for one that began and never ended.
LINES = st.lists(st.tuples(st.sampled_from(["a", "b", "c[ü]"]), st.one_of(st.none(), OUTCOMES)), max_size=8)
PARTS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 2), st.sampled_from(PYTHONS), LINES),
    max_size=8,
    unique_by=lambda part: part[:3],
)


def part(run: int, shard: int, python: str) -> Part:
    return Part(f"2026-01-0{run + 1}T00:00:00.000Z", f"run{run}", shard, python)


def events(lines: list[tuple[str, str | None]]) -> list[Event]:
    found = []
    for number, (test, outcome) in enumerate(lines):
        found.append(Event("start", test))
        if outcome is not None:
            found.append(Event("end", test, outcome, duration=float(number)))
    return found


def merged(parts: list[tuple[int, int, str, list[tuple[str, str | None]]]]) -> Merged:
    tests = Merged()
    for run, shard, python, lines in parts:
        tests.add(part(run, shard, python), iter(events(lines)))
    return tests


@given(PARTS, st.randoms())
def test_the_order_of_arrival_and_what_arrives_twice_change_nothing(parts: list, random: object) -> None:  # type: ignore[type-arg]
    shuffled = [*parts, *parts[:2]]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert list(merged(shuffled)) == list(merged(parts))
    assert merged(shuffled).counts() == merged(parts).counts()


@given(PARTS)
def test_it_is_what_a_simpler_model_says(parts: list) -> None:  # type: ignore[type-arg]
    attempts: dict[tuple[str, str], list[tuple[object, str]]] = {}
    for run, shard, python, lines in parts:
        found = events(lines)
        ended = {
            line: event for line, event in enumerate(found) if event.event == "end" and event.outcome != "nonsense"
        }
        open_ = {event.id for event in found if event.event == "start"}
        for test in open_:
            last_start = max(line for line, event in enumerate(found) if (event.event, event.id) == ("start", test))
            last_end = max(
                (line for line, event in enumerate(found) if (event.event, event.id) == ("end", test)), default=-1
            )
            if last_start > last_end:
                attempts.setdefault((test, python), []).append(((part(run, shard, python), last_start), CRASHED))
        for line, event in ended.items():
            attempts.setdefault((event.id, python), []).append(((part(run, shard, python), line), event.outcome))
    expected = {key: (max(found)[1], len(found), {outcome for _, outcome in found}) for key, found in attempts.items()}
    told = {
        (test, python): (attempt.outcome, attempt.attempts, set(attempt.outcomes))
        for test, pythons in merged(parts)
        for python, attempt in pythons.items()
    }
    assert told == expected


@given(PARTS)
def test_each_test_is_counted_once(parts: list) -> None:  # type: ignore[type-arg]
    tests = merged(parts)
    counts = tests.counts()
    assert sum(getattr(counts, name) for name in Counts.__struct_fields__) == len(list(tests))


def test_eight_shards_of_which_one_was_killed_give_exact_counts() -> None:
    tests = Merged()
    for shard in range(8):
        lines: list[tuple[str, str | None]] = [(f"t{shard}-{number}", "passed") for number in range(10)]
        tests.add(part(0, shard, "3.9"), events([*lines[:4], ("t3-4", None)] if shard == 3 else lines))
    assert tests.counts() == Counts(passed=74, failed=1)


def test_a_rerun_that_passes_counts_and_is_remembered() -> None:
    tests = merged([(1, 0, "3.9", [("a", "passed")]), (0, 0, "3.9", [("a", "failed")])])
    ((_, pythons),) = tests
    assert (pythons["3.9"].outcome, pythons["3.9"].attempts) == ("passed", 2)
    assert pythons["3.9"].outcomes == {"passed", "failed"}
    assert tests.counts() == Counts(passed=1)


def test_a_test_that_fails_on_one_python_only_is_named() -> None:
    tests = merged(
        [(0, 0, "3.9", [("a", "failed"), ("b", "failed")]), (0, 0, "3.12", [("a", "passed"), ("b", "error")])]
    )
    assert list(tests.differing()) == [("a", ["3.9"], ["3.12"])]
    assert tests.counts() == Counts(failed=1, errors=1)


@pytest.mark.parametrize("seconds", [math.nan, math.inf, -1.0])
def test_a_duration_of_nonsense_is_none(seconds: float) -> None:
    tests = Merged()
    tests.add(part(0, 0, ""), [Event("end", "a", "passed", duration=seconds)])
    assert next(iter(tests))[1][""].seconds == 0.0


def test_runs_are_read_from_their_folders_and_damaged_lines_left_out(tmp_path: Path) -> None:
    found = []
    for number, python in enumerate(PYTHONS):
        folder = tmp_path / python
        folder.mkdir()
        ended = {"event": "end", "id": "t", "outcome": "passed" if number else "failed", "duration": 0.5}
        (folder / "report.jsonl").write_text(json.dumps(ended) + '\n{"event": "end", "id": \n')
        record = Record(python, f"unit-{python}", "unit", python, "p", "passed", started="2026-01-01T00:00:00.000Z")
        found.append(Run(folder, f"unit-{python}", record))
    tests = merging.of_runs([*found, Run(tmp_path, "unit-3.13", problem="still running")])
    assert list(tests.by_id) == ["t"]
    assert list(tests.differing()) == [("t", ["3.9"], ["3.12"])]


def test_only_suites_that_ended_differently_are_read(tmp_path: Path) -> None:
    found = []
    for suite, outcomes in (("unit", ("failed", "passed")), ("vm", ("failed", "failed"))):
        for python, outcome in zip(PYTHONS, outcomes):
            folder = tmp_path / suite / python
            folder.mkdir(parents=True)
            (folder / "report.jsonl").write_text(json.dumps({"event": "end", "id": suite, "outcome": outcome}))
            record = Record(f"{suite}-{python}", suite, suite, python, "p", outcome)  # type: ignore[arg-type]
            found.append(Run(folder, suite, record))
    assert list(merging.differing(found)) == [("unit", ["3.9"], ["3.12"])]
