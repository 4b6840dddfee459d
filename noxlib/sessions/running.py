"""The way of every suite, whatever the place: arguments, plan, place, record, one line."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic
from noxlib.config.detect import load_project
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.engines import git
from noxlib.errors import EngineError, SuiteFailed, UsageError
from noxlib.places.host import Exit, Host
from noxlib.plan import Plan
from noxlib.records import collect, store
from noxlib.records.record import Record
from noxlib.sessions import making, placing, planning, reaping, resuming
from noxlib.sessions.arguments import DRY_RUN, KEEP, NO_BUILD, PLACE, SHARDS, TERMINAL_OPTIONS, Arguments, Option
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.suites import Suite

if TYPE_CHECKING:
    from noxlib.sessions.sharded import Shards

ATTEMPTS = 2  #: an infrastructure error before the first test is tried once more
_LASTING = ("credentials", "absent")  #: causes that are there the next time as well
COVERAGE = Option("--coverage", "measure coverage, also where the project configures none")
COMMON = (DRY_RUN, KEEP, NO_BUILD, COVERAGE)  #: options of every suite


SuiteOf = Callable[[Config, Arguments], Suite]
PlaceOf = Callable[[Config, Arguments], placing.Placement]


def anywhere(config: Config, arguments: Arguments) -> placing.Placement:
    """A container or a virtual environment, as asked for, configured or found; one that has a platform has an image."""
    asked, platform = arguments.values.get("testground"), arguments.values.get("platform")
    if asked:
        from noxlib.sessions import given  # noqa: PLC0415 - brings the registry

        return placing.on_platform(given.place(config, asked, arguments["place"]), platform)
    return placing.choose_on(config, arguments["place"], platform)


def run_suite(
    context: Context, suite_of: SuiteOf, *, options: tuple[Option, ...] = (PLACE,), place_of: PlaceOf = anywhere
) -> None:
    """Run one suite for one Python and leave a record.

    Args:
        context: The call.
        suite_of: Takes the configuration and the step's arguments; gives the suite.
        options: The step's own options, beside those of every suite.
        place_of: Takes the configuration and the arguments; gives the place. Default: a container or an environment.

    Raises:
        NoxlibError: the outcome is not ``passed``.
    """
    clock = Clock()
    arguments = context.parse(*options, *COMMON)
    if arguments.rest[:1] and arguments.rest[0].partition("=")[0] == SHARDS.name:
        raise UsageError(f"{context.step} runs in one place", "let the workers of pytest-xdist share it: -- -n 4")
    interactive = _interactive(context, arguments)
    with clock.phase("configuration"):
        project = load_project(context.root)
        suite = suite_of(project.config, arguments)
    reaping.sweep(context.root)
    shards = _shards(project.config, suite, arguments) if arguments.values.get("shards") else None
    run = Run(context, project, suite, arguments, clock, place_of, interactive=interactive, shards=shards)
    if arguments["dry_run"]:
        run.show_plan()
    else:
        run.carry_out()


def _shards(config: Config, suite: Suite, arguments: Arguments) -> Shards:
    from noxlib.sessions import sharded  # noqa: PLC0415 - most runs are whole

    return sharded.wanted(config, suite.profile, arguments)


def _interactive(context: Context, arguments: Arguments) -> bool:
    wanted = [word for word in arguments.rest if word in TERMINAL_OPTIONS]
    terminal = on_terminal()
    if wanted and not terminal:
        raise UsageError(
            f"{context.session}: {wanted[0]} needs a terminal, and there is none here",
            "run it from a terminal, one session at a time (no -j)",
        )
    return terminal


class Clock:
    """Seconds by phase, for the record."""

    def __init__(self) -> None:
        self.timings: dict[str, float] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        start = time.monotonic()
        try:
            yield
        finally:
            self.timings[name] = round(self.timings.get(name, 0.0) + time.monotonic() - start, 4)


class Run:
    """One run of a suite, from the chosen place to the record."""

    def __init__(
        self,
        context: Context,
        project: Project,
        suite: Suite,
        arguments: Arguments,
        clock: Clock,
        place_of: PlaceOf,
        *,
        interactive: bool,
        shards: Optional[Shards] = None,
    ) -> None:
        self.context = context
        self.project = project
        self.suite = suite
        self.arguments = arguments
        self.clock = clock
        self.interactive = interactive and shards is None
        self.shards = shards
        self._place_of = place_of
        self._source: Callable[[], Optional[git.Head]] = lambda: None
        self._merged: Optional[Record] = None  # of shards that were interrupted

    def show_plan(self) -> None:
        """``--dry-run``: the plan as JSON. Nothing is built; what is not known before a build is null."""
        placement = self._place_of(self.project.config, self.arguments)
        plan = msgspec.to_builtins(self._plan(making.known(self.context, self.project, placement)))
        found = {**plan, "tasks": self.shards.count} if self.shards else plan
        say(msgspec.json.format(msgspec.json.encode(found), indent=2).decode())

    def carry_out(self) -> None:
        """Run it; whatever happens on the way, a record is left."""
        folder = store.new_run(self.context.root, self.context.session)
        self._source = git.ask_head(self.context.root)
        story = collect.Story(folder, self.context.session, self.suite.name, self.context.python, self.project.name)
        try:
            record = self._attempts(folder, story)
        except BaseException as error:
            record = self._merged or story.broken(error, self._source(), self.clock.timings)
            store.write_record(folder, record)
            raise
        store.write_record(folder, record)
        self._tell(record, folder)

    def _attempts(self, folder: store.RunFolder, story: collect.Story) -> Record:
        """Carry the plan out; tried once more where the infrastructure failed before the first test."""
        for attempt in range(1, ATTEMPTS + 1):
            story.attempts = attempt
            try:
                return self._attempt(folder, story)
            except EngineError as error:
                if attempt == ATTEMPTS or error.cause in _LASTING or collect.any_test_began(folder):
                    raise
                say(f"noxlib: {error.what}; no test had begun, so it is tried once more")
        raise AssertionError("unreachable")  # the loop returns or raises

    def _attempt(self, folder: store.RunFolder, story: collect.Story) -> Record:
        with self.clock.phase("testground"):
            placement = self._place_of(self.project.config, self.arguments)
            effort: Effort = "no-build" if self.arguments["no_build"] else "all"
            ground = making.ready(self.context, self.project, placement, effort)
        if ground.checkout is not None:
            self._source = git.ask_head(ground.checkout)
        plan = self._plan(ground)
        story.planned(plan, ground.section)
        story.secrets = ground.secrets
        store.write_plan(folder, plan)
        if self.shards is not None:
            with self.clock.phase("testground"):
                grounds = making.several(self.context, self.project, ground, effort, self.shards.count)
            return self._sharded(folder, plan, grounds, self.shards)
        with ground.host(folder.path, self.arguments["keep"]) as host:
            exit_ = self._execute(host, plan, folder)
            with self.clock.phase("carry back"):
                host.get("result", folder.path / "result")
                if ground.checkout is None:
                    story.carried = host.write_back(self.project.config.write_back, self.context.root)
            story.facts = host.facts
        return story.record(exit_, self._source(), self.clock.timings)

    def _sharded(self, folder: store.RunFolder, plan: Plan, grounds: tuple[Ground, ...], shards: Shards) -> Record:
        from noxlib.sessions import sharded  # noqa: PLC0415 - most runs are whole

        parts = sharded.Run(
            folder, sharded.plans(self._plan, plan, grounds), grounds, shards, keep=self.arguments["keep"]
        )
        try:
            with self.clock.phase("run"):
                parts.carry_out()
        except BaseException:
            if parts.names:
                self._merged = parts.record(self._source(), self.clock.timings)
            raise
        return parts.record(self._source(), self.clock.timings)

    def _plan(self, ground: Ground) -> Plan:
        return planning.plan(
            self.context,
            self.project,
            self.suite,
            self.arguments,
            ground,
            interactive=self.interactive and ground.placement.terminal,
        )

    def _execute(self, host: Host, plan: Plan, folder: store.RunFolder) -> Exit:
        task = folder.path / "task.json"
        task.write_bytes(msgspec.json.encode(plan.task))
        atomic.remove_tree(folder.path / "result")  # of a first attempt, which got no further
        (folder.path / "result").mkdir()
        host.put(task, "task.json")
        command = planning.command(host, plan, folder.path / "logs" / "output.log")
        with self.clock.phase("run"):
            return resuming.run(host, command, folder.path)

    def _tell(self, record: Record, folder: store.RunFolder) -> None:
        """The one line, then for a failure how to look at it."""
        line = collect.summary_line(record, folder)
        if record.outcome == "passed":
            say(line)
            return
        if self.shards is not None:
            from noxlib.sessions import shard_results  # noqa: PLC0415 - as above

            shard_results.tell(record, folder, collect.advice(record))
        advice = "\n  ".join(collect.advice(record))
        if self.interactive and record.outcome == "cancelled":
            say(f"{line}\n  {advice}")
            raise KeyboardInterrupt  # it went to the tests alone, and means nox and the sessions that wait as well
        raise SuiteFailed(line, advice)
