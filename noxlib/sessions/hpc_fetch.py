"""``hpc_fetch``: the results of what was submitted, as one record like any other."""

from __future__ import annotations

import os

from noxlib.errors import PlaceError
from noxlib.places.slurm import Slurm
from noxlib.secret import known_secrets
from noxlib.sessions import hpc, hpc_results, shard_results
from noxlib.sessions.arguments import KEEP, Option
from noxlib.sessions.context import Context

WAIT = Option("--wait", "wait until all tasks have ended")


def run(context: Context) -> None:
    """Carry the step out; one word names the run, or its job.

    Raises:
        PlaceError: tasks still wait or run, and ``--wait`` was not given.
    """
    arguments = context.parse(WAIT, KEEP)
    folder, submission = hpc.chosen(context.root, arguments, context.session)
    with hpc.reached(submission.host) as runner:
        slurm = Slurm(runner, job=submission.job, secrets=known_secrets(os.environ))
        if not arguments["wait"]:
            _refuse_unfinished(slurm, submission)
        record = hpc_results.finish(slurm, folder, submission, keep=arguments["keep"])
    shard_results.tell(record, folder)


def _refuse_unfinished(slurm: Slurm, submission: hpc.Submission) -> None:
    known = slurm.known()
    open_ = [task for task in known.values() if not task.ended]
    if open_:
        raise PlaceError(
            f"job {submission.job.id}: {len(open_)} of {len(slurm.ids)} tasks have not ended yet",
            "nox -s hpc_fetch -- --wait waits for them; nox -s hpc_status shows how far they are",
        )
