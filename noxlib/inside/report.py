"""What happened so far, kept in memory for result.json and written line by line to ``report.jsonl`` as tests end.

Lines are JSON objects, each written by one system call, so that what a killed run had done can be read afterwards:

- ``{"event": "start", "id": …}`` before a test,
- ``{"event": "failure", "id", "phase", "message"}`` as soon as a phase fails,
- ``{"event": "end", "id", "outcome", "duration", "setup"}`` after its teardown; ``outcome`` is passed, failed, skipped,
  xfailed, xpassed, error or crashed, ``duration`` is in seconds, and ``setup`` the part of it before the call
  (an ``error`` has its ``body`` too, where that was run),
- ``{"event": "told", "id", "properties", "reason"}``: what else is gathered of a test (see ``resumed.py``),
- ``{"event": "resumed"}`` where a new process goes on after one that died,
- ``{"event": "collected", "count", "deselected"}`` and ``{"event": "finish", "exit_code"}``.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter
from typing import TYPE_CHECKING, Any

from .result import COUNTS, shorten

if TYPE_CHECKING:
    from collections.abc import Iterator

CRASHED = "crashed"
quote = json.encoder.encode_basestring_ascii


class Report:
    """Counts by test id, failures, what is running now."""

    def __init__(self, folder: str, name: str = "report.jsonl") -> None:
        self.path = os.path.join(os.path.abspath(folder), name) if name else folder
        self.file: int | None = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        self.outcomes: dict[str, str] = {}
        self.errors: dict[tuple[str, str], None] = {}
        self.subtests: Counter[str] = Counter()
        self.failures: list[dict[str, str]] = []
        self.running: dict[str, float] = {}  # with the duration of the phases so far
        self.setups: dict[str, float] = {}  # of the running tests
        self.deselected = 0
        self.problem: str | None = None

    def start(self, test: str) -> None:
        self.running[test] = 0.0
        self._line(f'{{"event": "start", "id": {quote(test)}}}\n')

    def end(self, test: str) -> None:
        duration = self.running.pop(test, 0.0)
        errors = (test, "setup") in self.errors or (test, "teardown") in self.errors
        body = self.outcomes.get(test)
        self._end(test, "error" if errors else body or "error", duration, body if errors else None)

    def crash(self, test: str, message: str) -> None:
        """A test took its process with it: it has failed, and is over."""
        self.phase(test, "call", "failed", 0.0)
        self.failure(test, "call", message)
        self._end(test, CRASHED, self.running.pop(test, 0.0))

    def _end(self, test: str, outcome: str, duration: float, body: str | None = None) -> None:
        known = f'"duration": {duration:.6f}, "setup": {self.setups.pop(test, 0.0):.6f}'
        known += f', "body": "{body}"' if body else ""
        self._line(f'{{"event": "end", "id": {quote(test)}, "outcome": "{outcome}", {known}}}\n')

    def phase(self, test: str, when: str, outcome: str, duration: float) -> None:
        """Take one phase in. ``outcome`` is passed, failed, skipped, xfailed, xpassed, or anything else to ignore."""
        if test in self.running:
            self.running[test] += duration
            if when == "setup":
                self.setups[test] = duration
        if when == "call" or (outcome in ("skipped", "xfailed") and when == "setup"):
            self.outcomes[test] = outcome
        if outcome == "failed" and when in ("setup", "teardown", "collect"):
            self.errors[test, when] = None
        elif outcome == "rerun":  # pytest-rerunfailures: the next attempt counts
            self.outcomes.pop(test, None)

    def subtest(self, outcome: str) -> None:
        self.subtests["subtests_" + ("skipped" if outcome == "xfailed" else outcome)] += 1

    def failure(self, test: str, phase: str, message: str) -> None:
        """Remember a failure and write it at once: the teardown may hang or crash."""
        found = {"id": test, "phase": phase, "message": shorten(message)}
        self.failures.append(found)
        self._line(json.dumps({"event": "failure", **found}) + "\n")

    def event(self, name: str, **values: Any) -> None:
        self._line(json.dumps({"event": name, **values}) + "\n")

    def begin_line(self) -> None:
        """Go on with a line of its own: the last one of a process that died may have been cut off."""
        with open(self.path, "rb") as stream:
            stream.seek(max(stream.seek(0, os.SEEK_END) - 1, 0))
            cut = stream.read() not in (b"", b"\n")
        if cut:
            self._line("\n")

    def counts(self) -> dict[str, int]:
        """Count as ``noxlib.records.record.Counts`` has it; a test whose teardown fails counts twice, as in pytest."""
        found: Counter[str] = Counter(self.outcomes.values())
        found.update(self.subtests)
        found.update(errors=len(self.errors), deselected=self.deselected)
        return {name: found[name] for name in COUNTS}

    def _line(self, text: str) -> None:
        if self.file is None:
            return
        data = text.encode("utf-8", "backslashreplace")
        try:
            os.write(self.file, data)
        except OSError as error:  # a full disk, or a test that closed every descriptor, must not fail other tests
            self.file = None
            self.problem = f"{self.path} could not be written any more: {error}"


def message_of(report: Any) -> str:
    """The line that names the error: the first of the exception's own, else the last of the report."""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None and crash.message.strip():
        return str(crash.message.strip().splitlines()[0])
    lines = str(report.longrepr or "").strip().splitlines()
    return lines[-1].removeprefix("E").strip() if lines else ""


def read(path: str) -> Report:
    """Read back what a run has written to ``path``, as far as it came; a line that was cut off is left out."""
    report = Report(os.devnull, name="")
    for event in events(path):
        replay(report, event)
    return report


def events(path: str, kind: str = "") -> Iterator[dict[str, Any]]:
    """The lines of a report, or those of a kind; one that was cut off is left out."""
    with open(path, encoding="utf-8") as stream:
        for line in stream:
            if kind in line:
                with contextlib.suppress(ValueError):
                    event = json.loads(line)
                    if kind in ("", event["event"]):
                        yield event


def replay(report: Report, event: dict[str, Any]) -> None:
    """Take one line of ``report.jsonl`` in."""
    kind, test = event["event"], event.get("id", "")
    if kind == "start":
        report.start(test)
    elif kind == "failure":
        report.failures.append({name: event[name] for name in ("id", "phase", "message")})
        if event["phase"] == "subtest":
            report.subtest("failed")
        else:
            report.phase(test, event["phase"], "failed", 0.0)
    elif kind == "end":
        report.running.pop(test, None)
        if event["outcome"] != "error":
            report.outcomes[test] = "failed" if event["outcome"] == CRASHED else event["outcome"]
        elif event.get("body"):
            report.outcomes[test] = event["body"]
    elif kind == "collected":
        report.deselected = event["deselected"]
