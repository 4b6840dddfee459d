"""From a run that ended, however it ended, to its record."""

from __future__ import annotations

import contextlib
import os
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import msgspec

from noxlib import __version__, atomic
from noxlib.errors import NoxlibError
from noxlib.ledger import refusal
from noxlib.places.host import Facts
from noxlib.plan import Plan
from noxlib.records import result as results
from noxlib.records.outcome import Verdict, judge
from noxlib.records.record import (
    Failure,
    PlaceSection,
    ProfileSection,
    Record,
    SourceSection,
    TestgroundSection,
    timestamp,
)
from noxlib.records.store import RunFolder, masked
from noxlib.records.summary import advice, summary_line
from noxlib.secret import Masker, known_secrets

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxlib.engines.git import Head
    from noxlib.places.host import Exit, Machine

__all__ = ["Story", "advice", "any_test_began", "source_section", "summary_line"]

_NAME = 200  # characters of what a machine says of itself
_CHUNK = 1 << 20  # bytes read at once


class Story:
    """A run as it goes on: what is known already when it breaks, and at last its record."""

    def __init__(self, folder: RunFolder, session: str, suite: str, python: str, project: str) -> None:
        self.folder = folder
        self.session = session
        self.suite = suite
        self.python = python
        self.project = project
        self.plan: Plan | None = None
        self.section = TestgroundSection()
        self.attempts = 1
        self.carried: tuple[str, ...] = ()
        self.facts = Facts()
        self.secrets: tuple[str, ...] = ()  #: of the place, beside those of the environment
        self.started = datetime.now(timezone.utc)

    def planned(self, plan: Plan, section: TestgroundSection) -> None:
        """The plan stands."""
        self.plan, self.section = plan, section

    def record(self, exit_: Exit, source: Head | None, timings: Mapping[str, float]) -> Record:
        """The record of a command that a host carried out; ``timings["run"]`` is the command's, in seconds.

        The files of the result move to the run's folder.
        """
        result, progress = self._read()
        overdue = self.plan is not None and timings.get("run", 0.0) >= self.plan.task.timeout
        verdict = judge(exit_, result, progress, overdue=overdue)
        return self._make(verdict, result, progress, source=source, timings=timings, code=exit_.code)

    def concluded(self, verdict: Verdict, source: Head | None, timings: Mapping[str, float]) -> Record:
        """The record of what no single command decides, such as a comparison."""
        return self._make(verdict, None, results.Progress(), source=source, timings=timings)

    def broken(self, error: BaseException, source: Head | None, timings: Mapping[str, float]) -> Record:
        """The record of a run that an error of ours, of an engine or of the user ended."""
        result, progress = self._read()
        return self._make(_of_error(error), result, progress, source=source, timings=timings)

    def _read(self) -> tuple[results.Result | None, results.Progress]:
        folder = results.result_folder(self.folder.path)
        _mask_files(folder, self._secrets())
        found = results.read_result(folder), results.read_progress(folder)
        _move_out(folder, self.folder.path)
        return found

    def _make(
        self,
        verdict: Verdict,
        result: results.Result | None,
        progress: results.Progress,
        *,
        source: Head | None,
        timings: Mapping[str, float],
        code: int | None = None,
    ) -> Record:
        found = result or results.Result(0, counts=progress.counts, failures=progress.failures)
        crashes = _crashes(verdict, progress)
        record = msgspec.structs.replace(
            self._known(),
            outcome=verdict.outcome,
            cause=verdict.cause,
            message=results.text(verdict.message) if verdict.message else None,
            exit_code=code,
            ended=timestamp(datetime.now(timezone.utc)),
            source=source_section(source),
            interpreter=found.interpreter,
            counts=msgspec.structs.replace(found.counts, failed=found.counts.failed + len(crashes)),
            failures=(*found.failures, *crashes),
            seeds=found.seeds,
            timings={**timings, **{f"inside {name}": seconds for name, seconds in found.timings.items()}},
            imports=found.imports,
            profile=found.profile or self._planned_profile(),
            leaks=found.leaks,
            notices=found.notices,
            mocks=found.mocks,
            faults=found.faults,
        )
        if found.argv:
            record = msgspec.structs.replace(record, argv=found.argv)
        record = masked(record, self._secrets())
        if progress.began and (result is None or result.cause == "timeout"):
            self._make_junit(record)
        return record

    def _make_junit(self, record: Record) -> None:
        """Have a JUnit file where the tests' process was ended, by us or by itself, before it could write one."""
        from noxlib.records import junit  # noqa: PLC0415 - few runs end so

        with contextlib.suppress(OSError):  # a full disk: the record has room of its own
            junit.make(self.folder.path, record)

    def _planned_profile(self) -> ProfileSection | None:
        """The profile of a run that left no result."""
        planned = self.plan.task.profile if self.plan else {}
        return msgspec.convert(planned, ProfileSection) if planned else None

    def _secrets(self) -> tuple[str, ...]:
        return (*known_secrets({**os.environ, **(self.plan.environment if self.plan else {})}), *self.secrets)

    def _known(self) -> Record:
        """What was known before the command ended, as far as it came."""
        plan = self.plan
        return Record(
            run=self.folder.name,
            session=self.session,
            suite=self.suite,
            python=self.python,
            project=self.project,
            outcome="error",
            started=timestamp(self.started),
            place=PlaceSection(plan.place, plan.place_reason, plan.fallback) if plan else None,
            testground=self.section,
            select=plan.task.select if plan else "",
            argv=plan.task.arguments if plan else (),
            machine=_plain_machine(self.facts.machine) if self.facts.machine else None,
            services=self.facts.services,
            written_back=tuple(sorted(self.carried)),
            attempts=self.attempts,
            noxlib=__version__,
        )


def _plain_machine(machine: Machine) -> Machine:
    """What a machine says of itself is its own to say, of any length: text alone, and short."""
    told = {
        key: results.text(value, _NAME)
        for key, value in msgspec.structs.asdict(machine).items()
        if isinstance(value, str)
    }
    return msgspec.structs.replace(machine, **told)


def source_section(head: Head | None) -> SourceSection:
    """The code under test as the record has it."""
    return SourceSection(head.commit, head.branch, head.dirty) if head else SourceSection()


def any_test_began(folder: RunFolder) -> bool:
    """Whether the report tells of a test that began: then nothing is rerun by itself."""
    return any(results.read_progress(place).began for place in (results.result_folder(folder.path), folder.path))


def _of_error(error: BaseException) -> Verdict:
    if isinstance(error, OSError):
        error = refusal(error) or error
    if isinstance(error, NoxlibError):
        return Verdict(
            "cancelled" if error.outcome == "cancelled" else "error", error.cause or _kind(error), error.what
        )
    if isinstance(error, KeyboardInterrupt):
        return Verdict("cancelled", "interrupted", "the run was interrupted")
    return Verdict("error", "internal", f"{type(error).__name__}: {error}")


def _kind(error: NoxlibError) -> str:
    """``EngineError`` is ``engine``."""
    return type(error).__name__.replace("Error", "").lower()


def _crashes(verdict: Verdict, progress: results.Progress) -> tuple[Failure, ...]:
    """The tests that were running when their process ended, or its time was up, count as failures."""
    running = progress.running if verdict.crashed else ()
    return tuple(Failure(test, "call", verdict.message or "") for test in running)


def _mask_files(folder: Path, secrets: tuple[str, ...]) -> None:
    """Mask secrets in what the tests' own process wrote: a failure's message quotes what was compared."""
    for name in ("result.json", "report.jsonl", "junit.xml") if secrets else ():
        path = folder / name
        if results.is_plain_file(path):
            masker = Masker(secrets)
            with path.open("rb") as stream:
                chunks = [masker.feed(chunk) for chunk in iter(lambda: stream.read(_CHUNK), b"")]
            atomic.write(path, b"".join((*chunks, masker.flush())), mode=0o644)


def _move_out(source: Path, target: Path) -> None:
    """Move JUnit, report and coverage data from ``result/`` to where readers of a run look; plain files only."""
    for name in ("junit.xml", "report.jsonl"):
        if results.is_plain_file(source / name):
            (source / name).replace(target / name)
    data = [path for path in sorted(source.glob(".coverage*")) if results.is_plain_file(path)]
    if data and (target / "coverage").is_symlink():
        (target / "coverage").unlink()  # the tests' doing: it would lead out of the run's folder
    if data:
        (target / "coverage").mkdir(exist_ok=True)
    for path in data:
        path.replace(target / "coverage" / path.name)
