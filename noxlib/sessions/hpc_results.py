"""From the tasks of a job that ended to one record of the run."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import Optional

import msgspec

from noxlib import __version__
from noxlib.errors import Cancelled, EngineError
from noxlib.places.scheduler import Result
from noxlib.places.slurm import Slurm
from noxlib.plan import Plan
from noxlib.records import collect, shards, store
from noxlib.records import result as result_files
from noxlib.records.record import PlaceSection, Record, timestamp
from noxlib.records.result import Shard
from noxlib.records.store import RunFolder
from noxlib.secret import known_secrets
from noxlib.sessions import hpc
from noxlib.sessions.context import say
from noxlib.sessions.running import SuiteFailed


def finish(slurm: Slurm, folder: RunFolder, submission: hpc.Submission, *, keep: bool) -> Record:
    """Fetch every task, write the record, remove what is on the cluster.

    Raises:
        PlaceError: the connection is lost; nothing is, and it can be fetched again.
    """
    plan = hpc.plan_of(folder)
    results = [slurm.fetch(task) for task in slurm.ids]
    records = [_record(folder, submission, plan, index, result) for index, result in enumerate(results)]
    tasks = [
        shards.section(index, task, result, record)
        for index, (task, result, record) in enumerate(zip(slurm.ids, results, records))
    ]
    record = shards.merge(_whole(folder, submission, plan), records, tasks)
    record = shards.agreed(record, [_part(folder, index) for index in range(len(records))])
    shards.gather(folder.path, records)
    store.write_record(folder, record)
    if keep:
        say(f"noxlib: kept, and yours to remove: {submission.host}:{submission.job.folder}")
    else:
        slurm.remove()
    hpc.strike(folder.name)
    return record


def give_up(root: Path, host: str) -> None:
    """The cluster of a host was taken down: what had been submitted to it from a checkout gets its record as lost."""
    for folder, submission in hpc.submitted(root):
        if submission.host != host:
            continue
        record = msgspec.structs.replace(
            _whole(folder, submission, hpc.plan_of(folder)),
            cause="lost",
            message="its cluster was taken down before its results were fetched",
        )
        store.write_record(folder, record)
        hpc.strike(folder.name)
        say(collect.summary_line(record, folder))


def _part(folder: RunFolder, index: int) -> Optional[Shard]:
    """What a task's own process says that it was cut from."""
    found = result_files.read_result(result_files.result_folder(hpc.task_folder(folder, index)))
    return found.shard if found else None


def tell(record: Record, folder: RunFolder) -> None:
    """The one line; for a failure the tasks that failed, and how to look at it.

    Raises:
        SuiteFailed: the outcome is not ``passed``.
    """
    line = collect.summary_line(record, folder)
    if record.outcome == "passed":
        say(line)
        return
    for task in record.tasks:
        if task.outcome != "passed" and len(record.tasks) > 1:
            say(f"  task {task.index} on {task.node or 'no node'}: {task.state}: {task.outcome} ({task.cause or '-'})")
    raise SuiteFailed(line, f"the output of each task: {folder.shown}/tasks/N/logs/output.log")


def _record(folder: RunFolder, submission: hpc.Submission, plan: Plan, index: int, result: Result) -> Record:
    """The record of one task, from its own files and its scheduler's word."""
    own = RunFolder(folder.path / "tasks" / str(index), folder.checkout)
    story = collect.Story(own, plan.session, plan.suite, plan.python, plan.project)
    task = msgspec.structs.replace(plan.task, shard=(index, len(submission.job.tasks)))
    story.planned(msgspec.structs.replace(plan, task=task), submission.known.testground)
    timings = {"run": result.seconds or 0.0}
    if result.exit is not None:
        return story.record(result.exit, None, timings)
    if result.state == "cancelled":
        return story.broken(Cancelled(result.message, "", cause="cancelled"), None, timings)
    return story.broken(EngineError(result.message, "", cause=result.cause), None, timings)


def _whole(folder: RunFolder, submission: hpc.Submission, plan: Plan) -> Record:
    """What is known of the run itself."""
    record = Record(
        run=folder.name,
        session=plan.session,
        suite=plan.suite,
        python=plan.python,
        project=plan.project,
        outcome="error",
        started=submission.started,
        ended=timestamp(datetime.now(timezone.utc)),
        place=PlaceSection(plan.place, plan.place_reason, plan.fallback),
        testground=submission.known.testground,
        source=submission.known.source,
        select=plan.task.select,
        timings=submission.timings,
        noxlib=__version__,
    )
    return store.masked(record, known_secrets({**os.environ, **plan.environment}))
