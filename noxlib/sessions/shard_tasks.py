"""The tasks of a run that is cut into shards, for every scheduler: their folders in the run's, what each is given."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.places.host import Layout
from noxlib.places.scheduler import HostTask
from noxlib.plan import Plan
from noxlib.records import trends
from noxlib.records.history import History
from noxlib.records.store import RunFolder
from noxlib.sessions import planning
from noxlib.sessions.context import say

DURATIONS = "durations.json.gz"


def folder_of(run: RunFolder, index: int) -> Path:
    """Where a task's files lie in the run's folder."""
    return run.path / "tasks" / str(index)


def log_of(run: RunFolder, index: int) -> Path:
    """Where a task's output goes."""
    return folder_of(run, index) / "logs" / "output.log"


def write_durations(run: RunFolder, suite: str, python: str) -> None:
    """Write what the checkout's history knows of a suite's tests: by id, the seconds of set-up and of the rest.

    A history that cannot be read is said: all tests count alike then.
    """
    try:
        found = History(run.checkout).ask(lambda database: trends.durations(database, suite, python))
    except RecordError as error:
        say(f"noxlib: {error.what}: all tests count alike ({error.todo})")
        found = []
    seconds = {one.id: (round(one.setup, 6), round(max(0.0, one.seconds - one.setup), 6)) for one in found}
    atomic.write(run.path / DURATIONS, gzip.compress(msgspec.json.encode(seconds)), mode=0o644)


def task(run: RunFolder, plan: Plan, layout: Layout, index: int, count: int) -> HostTask:
    """One shard of a run as a scheduler takes it; its folder is made."""
    own = folder_of(run, index)
    own.mkdir(parents=True)
    durations = run.path / DURATIONS
    known = durations.exists()
    one = msgspec.structs.replace(plan.task, shard=(index, count), durations=DURATIONS if known else "")
    (own / "task.json").write_bytes(msgspec.json.encode(one))
    command = planning.command(layout, plan, log_of(run, index))
    return HostTask(
        command.argv,
        command.environment,
        limits=command.limits,
        log=str(command.log),
        files=((str(own / "task.json"), "task.json"), *(((str(durations), DURATIONS),) if known else ())),
        results=(("result", str(own / "result")),),
    )
