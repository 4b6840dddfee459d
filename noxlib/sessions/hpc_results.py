"""From the tasks of a job that ended to one record of the run."""

from __future__ import annotations

from pathlib import Path

import msgspec

from noxlib.places.slurm import Slurm
from noxlib.records import collect, store
from noxlib.records.record import Record
from noxlib.records.store import RunFolder
from noxlib.sessions import hpc, shard_results
from noxlib.sessions.context import say


def finish(slurm: Slurm, folder: RunFolder, submission: hpc.Submission, *, keep: bool) -> Record:
    """Fetch every task, write the record, remove what is on the cluster.

    Raises:
        PlaceError: the connection is lost; nothing is, and it can be fetched again.
    """
    plan = hpc.plan_of(folder)
    results = {task: slurm.fetch(task) for task in slurm.ids}
    record = shard_results.merged(folder, plan, submission.known, results, submission.started, submission.timings)
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
            shard_results.whole(folder, hpc.plan_of(folder), submission.known, submission.started, submission.timings),
            cause="lost",
            message="its cluster was taken down before its results were fetched",
        )
        store.write_record(folder, record)
        hpc.strike(folder.name)
        say(collect.summary_line(record, folder))
