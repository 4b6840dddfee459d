"""``perf_compare``: two commits on this machine, in one testground, round by round; slower, faster, same or unknown."""

from __future__ import annotations

import contextlib
import shlex
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib import atomic
from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import git
from noxlib.errors import NoxlibError, UsageError
from noxlib.perf.compare import compare
from noxlib.perf.statistics import LEAST_PAIRS
from noxlib.plan import Plan
from noxlib.records import collect, store, terminal
from noxlib.records import result as results
from noxlib.records.outcome import Verdict
from noxlib.records.record import Counts, Failure, PerformanceSection, Record, SourceSection
from noxlib.sessions import making, placing, planning, reaping, rounds, sides
from noxlib.sessions.arguments import DRY_RUN, PYTHON, Arguments, Option, python_of
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.sessions.placing import Placement
from noxlib.sessions.rounds import Samples
from noxlib.sessions.running import Clock
from noxlib.sessions.sides import Side
from noxlib.sessions.suites import Suite
from noxlib.sessions.words import split
from noxlib.sessions.writing import write

ROUNDS = Option("--rounds", "how often each side is measured (default 10)", "NUMBER")
THRESHOLD = Option("--threshold", "the change in percent from which on it counts (default 5)", "PERCENT")
COMMAND = Option("--command", "time this program instead of benchmarks; may be given again", "COMMAND", many=True)
JSON = Option("--json", "write the comparison and all samples to a file", "FILE")


class Slower(NoxlibError):
    """A benchmark takes longer than the threshold allows; its whole interval lies beyond."""

    outcome = "failed"


class Wanted(msgspec.Struct, frozen=True):
    """What is compared, and how; what ``--dry-run`` prints has it beside the plan of one round."""

    base: Side
    head: Side
    rounds: int
    threshold: float  #: percent
    commands: tuple[tuple[str, ...], ...]
    python: str
    pytest: tuple[str, ...]  #: words for pytest


def run(context: Context) -> None:
    """Carry the step out: ``[BASE [HEAD]] [-- words for pytest]`` follow the options.

    Raises:
        Slower: a benchmark of the head is slower than the base's.
        NoxlibError: there is nothing to compare, or a round failed.
    """
    arguments = context.parse(ROUNDS, THRESHOLD, COMMAND, PYTHON, JSON, DRY_RUN)
    clock = Clock()
    with clock.phase("configuration"):
        project = load_project(context.root)
        wanted = _wanted(context, project, arguments)
    reaping.sweep(context.root)
    placement = Placement("container", "both sides need one testground", engine=placing.engine())
    context = msgspec.structs.replace(context, python=wanted.python)
    if arguments["dry_run"]:
        ground = making.known(context, project, placement)
        shown = {**msgspec.to_builtins(wanted), "plan": msgspec.to_builtins(_plan(context, project, wanted, ground))}
        say(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return
    Comparison(context, project, placement, wanted, clock).carry_out(arguments["json"])


def _wanted(context: Context, project: Project, arguments: Arguments) -> Wanted:
    words, rest = split(context.session, arguments.rest, 2, "[BASE [HEAD]]")
    base, head = sides.choose(context.root, words)
    python = python_of(context.session, project.pythons, arguments["python"])
    return Wanted(
        base=base,
        head=head,
        rounds=int(_number(context, "--rounds", arguments["rounds"] or "10", LEAST_PAIRS, whole=True)),
        threshold=_number(context, "--threshold", arguments["threshold"] or "5", 0),
        commands=tuple(_argv(context, text) for text in arguments["command"]),
        python=python,
        pytest=rest,
    )


def _number(context: Context, name: str, text: str, least: float, *, whole: bool = False) -> float:
    try:
        value = float(int(text) if whole else float(text))
    except ValueError:
        value = -1.0
    if not least <= value <= 1000:  # noqa: PLR2004 - NaN is refused as well
        kind = "a whole number" if whole else "a number"
        raise UsageError(f"{context.session}: {name} {text} is no {kind} from {least:g} to 1000", "correct it")
    return value


def _argv(context: Context, text: str) -> tuple[str, ...]:
    try:
        words = tuple(shlex.split(text))
    except ValueError as error:
        raise UsageError(
            f"{context.session}: --command {text!r}: {error}", "quote it as a shell would have it"
        ) from None
    if not words:
        raise UsageError(f"{context.session}: --command is empty", "name a program with its arguments")
    return words


def _plan(context: Context, project: Project, wanted: Wanted, ground: Any) -> Plan:
    own = msgspec.structs.replace(project.config.perf, coverage=False)
    if wanted.commands:  # no setting of benchmarks has a part in them
        own = msgspec.structs.replace(own, args=(), paths=(), select=None)
    suite = Suite("perf", own.select or "", own, args=rounds.arguments(bool(wanted.commands)))
    return planning.plan(context, project, suite, Arguments({}, wanted.pytest), ground)


class Comparison:
    """One comparison, from the two commits to the record."""

    def __init__(self, context: Context, project: Project, placement: Placement, wanted: Wanted, clock: Clock) -> None:
        self.context = context
        self.project = project
        self.placement = placement
        self.wanted = wanted
        self.clock = clock

    def carry_out(self, file: Optional[str]) -> None:
        """Compare; whatever happens on the way, a record is left."""
        folder = store.new_run(self.context.root, self.context.session)
        story = collect.Story(folder, self.context.session, "perf", self.wanted.python, self.project.name)
        source = git.ask_head(self.context.root)
        try:
            found, samples = self._measure(folder, story)
        except BaseException as error:
            store.write_record(folder, story.broken(error, source(), self.clock.timings))
            raise
        record = self._record(story, found, source())
        store.write_record(folder, record)
        for path in (folder.path / "performance.json", *([Path(file)] if file else [])):
            write(path, atomic.to_json({"performance": found, "samples": samples}, indent=1))
        self._tell(record, found, folder)

    def _measure(self, folder: store.RunFolder, story: collect.Story) -> tuple[PerformanceSection, Samples]:
        wanted = self.wanted
        say(f"{self.context.session}: {wanted.base.shown} against {wanted.head.shown}, {wanted.rounds} rounds")
        with contextlib.ExitStack() as stack:
            with self.clock.phase("checkout"):
                pair = {"base": wanted.base, "head": wanted.head}
                code = {name: stack.enter_context(sides.code(self.context.root, side)) for name, side in pair.items()}
            with self.clock.phase("testground"):
                grounds = sides.grounds(wanted.python, self.placement, code, "all")
            plans = {name: _plan(self.context, self.project, wanted, ground) for name, ground in grounds.items()}
            story.planned(plans["head"], grounds["head"].section)
            store.write_plan(folder, plans["head"])
            say(f"{self.context.session}: both in {plans['head'].image}, the testground of the head")
            hosts = {
                name: stack.enter_context(ground.host(folder.path / name, False)) for name, ground in grounds.items()
            }
            with self.clock.phase("run"):
                samples = rounds.measure(hosts, plans, wanted.rounds, wanted.commands, folder.path)
        commits = tuple(side.commit or sides.WORKING_TREE for side in (wanted.base, wanted.head))
        found = compare(samples["base"], samples["head"], wanted.threshold, commits=(commits[0], commits[1]))
        return found, samples

    def _record(self, story: collect.Story, found: PerformanceSection, source: Optional[git.Head]) -> Record:
        slower = [one for one in found.benchmarks if one.verdict == "slower"]
        verdict = Verdict("failed", "slower", f"slower: {', '.join(one.name for one in slower)}") if slower else None
        record = story.concluded(verdict or Verdict("passed"), source, self.clock.timings)
        first = results.read_result(story.folder.path / "head" / "round-01")
        if self.wanted.head.commit is not None:
            kept = SourceSection(self.wanted.head.commit, record.source.branch, dirty=False)
            record = msgspec.structs.replace(record, source=kept)
        return msgspec.structs.replace(
            record,
            counts=Counts(passed=len(found.benchmarks) - len(slower), failed=len(slower)),
            failures=tuple(Failure(one.name, "perf", f"slower: {terminal.change(one.ratio)}") for one in slower),
            interpreter=first.interpreter if first else record.interpreter,
            performance=found,
        )

    def _tell(self, record: Record, found: PerformanceSection, folder: store.RunFolder) -> None:
        say(terminal.performance(found, colour=on_terminal()))
        line = collect.summary_line(record, folder)
        if record.outcome == "passed":
            say(line)
            return
        again = f"nox -s {self.context.session} -- --rounds {2 * found.rounds} {found.base[:12]}"
        raise Slower(line, f"see the table above; more rounds narrow the intervals: {again}")
