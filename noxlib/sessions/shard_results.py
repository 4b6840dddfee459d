"""From the tasks of a run that is cut into shards to one record of it, whatever scheduler had them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Optional

import msgspec

from noxlib import __version__
from noxlib.errors import Cancelled, EngineError, SuiteFailed
from noxlib.places.scheduler import Result
from noxlib.plan import Plan
from noxlib.records import collect, shards, store
from noxlib.records import result as result_files
from noxlib.records.record import PlaceSection, Record, SourceSection, TestgroundSection, timestamp
from noxlib.records.result import Shard
from noxlib.records.store import RunFolder
from noxlib.secret import known_secrets
from noxlib.sessions import shard_tasks
from noxlib.sessions.context import say


class Known(msgspec.Struct, frozen=True):
    """What the record will say of testground and code: they were what they were when the tasks were submitted."""

    testground: TestgroundSection = TestgroundSection()
    source: SourceSection = SourceSection()


def merged(
    run: RunFolder, plan: Plan, known: Known, results: Mapping[str, Result], started: str, timings: Mapping[str, float]
) -> Record:
    """The record of a run whose tasks have ended; its files come together in the run's folder.

    Args:
        run: The run's folder.
        plan: The plan of the whole.
        known: What was known before.
        results: By the scheduler's own id, in the order of the shards.
        started: ISO 8601 in UTC.
        timings: Seconds of what came before the tasks.
    """
    count = len(results)
    records = [one_record(run, plan, known, result, (at, count)) for at, result in enumerate(results.values())]
    tasks = [
        shards.section(index, task, result, record)
        for index, ((task, result), record) in enumerate(zip(results.items(), records))
    ]
    record = shards.merge(whole(run, plan, known, started, timings), records, tasks)
    record = shards.agreed(record, [_part(run, index) for index in range(count)])
    shards.gather(run.path, records)
    return record


def one_record(run: RunFolder, plan: Plan, known: Known, result: Result, shard: tuple[int, int]) -> Record:
    """The record of one task, from its own files and its scheduler's word."""
    own = RunFolder(shard_tasks.folder_of(run, shard[0]), run.checkout)
    story = collect.Story(own, plan.session, plan.suite, plan.python, plan.project)
    task = msgspec.structs.replace(plan.task, shard=shard)
    story.planned(msgspec.structs.replace(plan, task=task), known.testground)
    timings = {"run": result.seconds or 0.0}
    if result.exit is not None:
        return story.record(result.exit, None, timings)
    if result.state == "cancelled":
        return story.broken(Cancelled(result.message, "", cause="cancelled"), None, timings)
    return story.broken(EngineError(result.message, "", cause=result.cause), None, timings)


def whole(run: RunFolder, plan: Plan, known: Known, started: str, timings: Mapping[str, float]) -> Record:
    """What is known of the run itself."""
    record = Record(
        run=run.name,
        session=plan.session,
        suite=plan.suite,
        python=plan.python,
        project=plan.project,
        outcome="error",
        started=started,
        ended=timestamp(datetime.now(timezone.utc)),
        place=PlaceSection(plan.place, plan.place_reason, plan.fallback),
        testground=known.testground,
        source=known.source,
        select=plan.task.select,
        timings=dict(timings),
        noxlib=__version__,
    )
    return store.masked(record, known_secrets({**os.environ, **plan.environment}))


def read(run: RunFolder, index: int) -> Optional[result_files.Result]:
    """What a task's own process says; None where it did not come to that."""
    return result_files.read_result(result_files.result_folder(shard_tasks.folder_of(run, index)))


def _part(run: RunFolder, index: int) -> Optional[Shard]:
    """What a task's own process says that it was cut from."""
    found = read(run, index)
    return found.shard if found else None


def tell(record: Record, run: RunFolder, advice: Sequence[str] = ()) -> None:
    """The one line; for a failure the tasks that failed, and how to look at it.

    Raises:
        SuiteFailed: the outcome is not ``passed``.
    """
    line = collect.summary_line(record, run)
    if record.outcome == "passed":
        say(line)
        return
    for task in record.tasks:
        if task.outcome != "passed" and len(record.tasks) > 1:
            where = f" on {task.node}" if task.node else ""
            state = f"{task.state}: " if task.state else ""  # the cluster's word
            say(f"  task {task.index}{where}: {state}{task.outcome}" + (f" ({task.cause})" if task.cause else ""))
    raise SuiteFailed(line, "\n  ".join((f"the output of each task: {run.shown}/tasks/N/logs/output.log", *advice)))
