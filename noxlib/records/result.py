"""What the tests' own process left in ``result/``, read as hostile data: sizes, types, kinds of files are checked."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Optional, TypeVar

import msgspec

from noxlib import atomic
from noxlib.records.notices import Notices
from noxlib.records.record import (
    Counts,
    Failure,
    FaultSection,
    InterpreterSection,
    Leak,
    MocksSection,
    ProfileSection,
)

Value = TypeVar("Value")

_RESULT_BYTES = 64 << 20
_REPORT_BYTES = 1 << 30
_LINE_BYTES = 1 << 16
_TEXT = 2000  # characters of a message
_NAME = 4000  # characters of a test's id or an argument
_FAILURES = 10_000
_ENTRIES = 200  # of a dictionary, of a list of arguments

#: What ``inside`` may give as a cause; the others are the host's to tell.
CAUSES = frozenset(
    (
        *("guard", "services", "usage", "internal", "timeout", "interrupted", "collection"),
        *("crashed", "killed", "stopped", "exit", "disk-full", "out-of-memory"),
        *("all-skipped", "all-deselected", "none-collected", "empty-shard", "exit-code"),
    )
)


class Shard(msgspec.Struct, frozen=True):
    """Which part of a collection was run. Shards of one collection have one ``total`` and one ``digest``."""

    index: int
    count: int
    tests: int
    total: int
    digest: str


class Result(msgspec.Struct, frozen=True):
    """``result.json`` as ``inside/session.py`` writes it."""

    exit_code: int
    cause: Optional[str] = None
    message: Optional[str] = None
    counts: Counts = Counts()
    failures: tuple[Failure, ...] = ()
    seeds: dict[str, str] = {}
    interpreter: InterpreterSection = InterpreterSection()
    imports: dict[str, Optional[str]] = {}
    timings: dict[str, float] = {}
    argv: tuple[str, ...] = ()
    profile: Optional[ProfileSection] = None
    leaks: tuple[Leak, ...] = ()
    notices: Notices = Notices()
    mocks: Optional[MocksSection] = None
    faults: tuple[FaultSection, ...] = ()
    shard: Optional[Shard] = None
    version: int = 1


class Event(msgspec.Struct, frozen=True):
    """A line of ``report.jsonl`` as ``inside/report.py`` writes it."""

    event: str
    id: str = ""
    outcome: str = ""
    body: str = ""  #: outcome of the call, where a fixture's error is the test's
    phase: str = ""
    message: str = ""
    deselected: int = 0
    duration: float = 0.0  #: seconds
    setup: float = 0.0  #: seconds of it before the call


class Progress(msgspec.Struct, frozen=True):
    """How far a run came, by its report."""

    counts: Counts = Counts()
    failures: tuple[Failure, ...] = ()
    running: tuple[str, ...] = ()  #: tests that began and did not end
    began: bool = False  #: a test began


def result_folder(run: Path) -> Path:
    """``result/`` of a run's folder; where the tests put a link in its place a path that does not exist."""
    path = run / "result"
    return path / "absent" if path.is_symlink() else path


def read_result(folder: Path) -> Result | None:
    """``result.json`` of a ``result`` folder; None where it is absent, no plain file, too large or damaged."""
    found = read(folder / "result.json", Result)
    return _cut_result(found) if found else None


def read(path: Path, type_: type[Value]) -> Value | None:
    """A file that the tests may have written; None where it is absent, no plain file, too large or damaged."""
    if not is_plain_file(path):
        return None
    try:
        with _open(path) as stream:
            data = stream.read(_RESULT_BYTES + 1)
        return atomic.from_json(data, type_) if len(data) <= _RESULT_BYTES else None
    except (OSError, ValueError):
        return None


def read_progress(*folders: Path) -> Progress:
    """What ``report.jsonl`` tells, of a run or of each of its shards.

    A line that is damaged, as the last one of a killed run may be, does not count.
    """
    outcomes: dict[tuple[str, str], str] = {}
    failures: list[Failure] = []
    running: dict[str, None] = {}
    deselected = 0
    began = False
    for event in (event for folder in folders for event in events(folder / "report.jsonl")):
        if event.event == "start":
            began = True
            running[event.id] = None
        elif event.event == "end":
            running.pop(event.id, None)
            outcomes[event.id, ""] = "failed" if event.outcome == "crashed" else event.outcome
            outcomes[event.id, "body"] = event.body
        elif event.event == "failure" and len(failures) < _FAILURES:
            failures.append(Failure(text(event.id, _NAME), text(event.phase, 20), text(event.message)))
        elif event.event == "collected":
            deselected = max(0, event.deselected)
    counts = _counts(outcomes, failures, deselected)
    return Progress(counts, tuple(failures), tuple(text(test, _NAME) for test in running), began)


def text(value: str, limit: int = _TEXT) -> str:
    """A text cut to ``limit`` characters, without what cannot be encoded and without control characters."""
    plain = value[:limit].encode(errors="backslashreplace").decode()
    return "".join(char if char.isprintable() or char in "\t\n" else ascii(char)[1:-1] for char in plain)


def is_plain_file(path: Path) -> bool:
    """Whether it is a regular file and no link."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _open(path: Path) -> BinaryIO:
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")


def events(path: Path) -> Iterator[Event]:
    """The lines of a ``report.jsonl``, one at a time; those that are damaged are left out, of no file none."""
    if not is_plain_file(path):
        return
    with _open(path) as stream:
        while stream.tell() < _REPORT_BYTES:
            line = stream.readline(_LINE_BYTES)
            if not line:
                return
            try:
                yield atomic.from_json(line, Event)
            except ValueError:
                continue


def _counts(outcomes: dict[tuple[str, str], str], failures: list[Failure], deselected: int) -> Counts:
    names = {"passed": 0, "failed": 0, "error": 0, "skipped": 0, "xfailed": 0, "xpassed": 0}
    for outcome in outcomes.values():
        if outcome in names:
            names[outcome] += 1
    collection = len({failure.id for failure in failures if failure.phase == "collect"})
    errors = names.pop("error") + collection
    subtests = sum(failure.phase == "subtest" for failure in failures)
    return Counts(**names, errors=errors, deselected=deselected, subtests_failed=subtests)


def _cut_result(found: Result) -> Result | None:
    """Every text and list at most as long as a record may hold; None if a number makes no sense."""
    if min(msgspec.structs.astuple(found.counts)) < 0:
        return None
    return Result(
        exit_code=found.exit_code,
        cause=found.cause if found.cause in CAUSES else None,
        message=text(found.message) if found.message else None,
        counts=found.counts,
        failures=_plain(found.failures, tuple[Failure, ...]),
        seeds={text(name, 100): text(value, 100) for name, value in _first(found.seeds)},
        interpreter=InterpreterSection(*(text(part, 100) for part in msgspec.structs.astuple(found.interpreter))),
        imports={text(name, 200): value and text(value, _NAME) for name, value in _first(found.imports)},
        timings={text(name, 40): seconds for name, seconds in _first(found.timings) if math.isfinite(seconds)},
        argv=tuple(text(word, _NAME) for word in found.argv[:_ENTRIES]),
        profile=_cut_profile(found.profile) if found.profile else None,
        leaks=_plain(found.leaks, tuple[Leak, ...]),
        notices=_plain(found.notices, Notices),
        mocks=_plain(found.mocks, Optional[MocksSection]),
        faults=_plain(found.faults, tuple[FaultSection, ...]),
        shard=msgspec.structs.replace(found.shard, digest=text(found.shard.digest, 100)) if found.shard else None,
    )


def _cut_profile(found: ProfileSection) -> ProfileSection:
    return ProfileSection(
        name=text(found.name, 100),
        reason=text(found.reason, 200),
        level=text(found.level, 100),
        timeout_multiplier=found.timeout_multiplier if math.isfinite(found.timeout_multiplier) else 1.0,
        concurrent=found.concurrent,
        skipped={text(reason, 200): count for reason, count in _first(found.skipped) if count > 0},
    )


def _plain(found: Value, type_: Any) -> Value:
    """A section with every text and list cut."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(inner) for key, inner in value.items()}
        if isinstance(value, tuple):
            return tuple(cut(inner) for inner in value[:_FAILURES])
        return text(value, _NAME) if isinstance(value, str) else value

    plain: Value = msgspec.convert(cut(msgspec.to_builtins(found)), type_)
    return plain


def _first(found: dict[str, Value]) -> list[tuple[str, Value]]:
    return list(found.items())[:_ENTRIES]
