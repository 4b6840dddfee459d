"""``--shards``: a suite in several places at once, each with a part of the tests; one record of all."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Callable, Optional, cast

import msgspec

from noxlib.config import profiles
from noxlib.config.models import Config
from noxlib.engines.git import Head
from noxlib.errors import UsageError
from noxlib.places.host import Command, Exit, Host
from noxlib.places.local import Local
from noxlib.places.scheduler import HostTask, Result
from noxlib.plan import Plan
from noxlib.records import collect
from noxlib.records.record import Record, timestamp
from noxlib.records.store import RunFolder
from noxlib.records.summary import counted
from noxlib.sessions import resuming, shard_results, shard_tasks
from noxlib.sessions.arguments import TERMINAL_OPTIONS, Arguments
from noxlib.sessions.context import say
from noxlib.sessions.grounds import Ground
from noxlib.sessions.shard_results import Known

MOST = 64  #: shards on one machine


class Shards(msgspec.Struct, frozen=True):
    """How many parts, and how many of them at once."""

    count: int
    at_once: int


def wanted(config: Config, profile: Mapping[str, object], arguments: Arguments) -> Shards:
    """What ``--shards`` asks for.

    As many parts run at once as the environment profile has concurrent operations; ``auto`` makes so many, and no more
    than there are processors.

    Raises:
        UsageError: it is no number of shards, or the tests are to have the terminal.
    """
    text = str(arguments["shards"])
    if set(arguments.rest) & set(TERMINAL_OPTIONS):
        raise UsageError("a suite in several places has no terminal", "leave --shards out for --pdb and --trace")
    concurrent = int(str(profile.get("concurrent") or profiles.choose(config, None).concurrent))
    if text == "auto":
        count = max(1, min(concurrent, _processors()))
        return Shards(count, count)
    if not text.isdecimal() or not 0 < int(text) <= MOST:
        raise UsageError(f"{text!r} is no number of shards", f"take a whole number from 1 to {MOST}, or auto")
    return Shards(int(text), min(int(text), concurrent))


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Run:
    """The tasks of one run on this machine.

    Args:
        folder: The run's own.
        plans: One for each shard, since each may have a workspace of its own.
        grounds: The same.
        shards: How many, and how many at once.
        keep: Keep the workspaces.
    """

    def __init__(
        self, folder: RunFolder, plans: tuple[Plan, ...], grounds: tuple[Ground, ...], shards: Shards, *, keep: bool
    ) -> None:
        self.folder = folder
        self.plans = plans
        self.shards = shards
        self.section = grounds[0].section
        self.results: dict[int, Result] = {}
        self.names: dict[int, str] = {}  # the scheduler's, of each shard
        self.again: tuple[int, ...] = ()
        self.started = timestamp(datetime.now(timezone.utc))
        shard_tasks.write_durations(folder, plans[0].suite, plans[0].python)
        self._hosts: dict[str, Host] = {}  # by the log of their task
        self.tasks = tuple(self._task(index, ground, keep=keep) for index, ground in enumerate(grounds))
        if grounds[0].placement.engine is not None:
            grounds[0].placement.engine.close()  # connections that processes share mix up their answers

    def _task(self, index: int, ground: Ground, *, keep: bool) -> HostTask:
        host = cast("Host", ground.host(shard_tasks.folder_of(self.folder, index), keep))
        task = shard_tasks.task(self.folder, self.plans[index], host, index, self.shards.count)
        self._hosts[task.log] = host
        return task

    def carry_out(self) -> None:
        """Run all tasks; what came of them is kept, also where this raises because it is interrupted.

        A place that failed before its first test is tried once more.
        """
        with Local(self.shards.at_once, lambda task: self._hosts[task.log], _carry) as local:
            self._round(local, range(self.shards.count))
            self.again = tuple(index for index in self.names if self._may_go_again(index))
            for index in self.again:
                say(f"noxlib: shard {index}: {_first_line(self.results[index])}; it is tried once more")
            self._round(local, self.again)

    def record(self, head: Optional[Head], timings: Mapping[str, float]) -> Record:
        """The record of the whole."""
        known = Known(self.section, collect.source_section(head))
        unknown = Result("cancelled", message="it was not waited for", cause="cancelled")
        results = {
            name: msgspec.structs.replace(self.results.get(index, unknown), restarts=int(index in self.again))
            for index, name in sorted(self.names.items())
        }
        return shard_results.merged(self.folder, self.plans[0], known, results, self.started, timings)

    def _round(self, local: Local, indices: Sequence[int]) -> None:
        submitted = dict(zip(local.submit(tuple(self.tasks[index] for index in indices)), indices))
        self.names.update({index: name for name, index in submitted.items()})
        try:
            for name, result in local.ended(submitted):
                self.results[submitted[name]] = result
                self._tell(submitted[name], result)
        except BaseException:
            for name in submitted:
                local.cancel(name)
            self.results.update({index: local.fetch(name) for name, index in submitted.items()})
            raise

    def _may_go_again(self, index: int) -> bool:
        place = RunFolder(shard_tasks.folder_of(self.folder, index), self.folder.checkout)
        return self.results[index].state == "failed" and not collect.any_test_began(place)

    def _tell(self, index: int, result: Result) -> None:
        """A line for a shard that ended."""
        read = shard_results.read(self.folder, index)
        what = counted(read.counts) if read is not None else _first_line(result) or "no result"
        seconds = f" in {result.seconds:.1f} s" if result.seconds is not None else ""
        say(f"{self.plans[0].session}: shard {index} of {self.shards.count}: {what}{seconds}")


def _first_line(result: Result) -> str:
    return result.message.partition("\n")[0]


def _carry(host: Host, command: Command, task: HostTask) -> Exit:
    return resuming.run(host, command, Path(task.files[0][0]).parent)


def plans(plan_of: Callable[[Ground], Plan], first: Plan, grounds: tuple[Ground, ...]) -> tuple[Plan, ...]:
    """The same plan on each ground, with the first one's seed of hashes: it may decide what is collected."""
    seed = {"PYTHONHASHSEED": first.environment["PYTHONHASHSEED"]}
    found = (plan_of(ground) for ground in grounds[1:])
    return (first, *(msgspec.structs.replace(one, environment={**one.environment, **seed}) for one in found))
