"""``hpc_cancel``: stop what was submitted, whether it waits or runs, and record what there is."""

from __future__ import annotations

import os

from noxlib.places.slurm import Slurm
from noxlib.records import collect
from noxlib.secret import known_secrets
from noxlib.sessions import hpc, hpc_results
from noxlib.sessions.arguments import DRY_RUN, KEEP
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; one word names the run, or its job. That it is cancelled then is no failure of this step."""
    arguments = context.parse(KEEP, DRY_RUN)
    folder, submission = hpc.chosen(context.root, arguments, context.session)
    if arguments["dry_run"]:
        say(f"{context.session}: would cancel job {submission.job.id} on {submission.host} ({folder.shown})")
        return
    with hpc.reached(submission.host) as runner:
        slurm = Slurm(runner, job=submission.job, secrets=known_secrets(os.environ))
        stopped = slurm.cancel_all()
        say(f"{context.session}: {stopped} of {len(slurm.ids)} tasks stopped")
        record = hpc_results.finish(slurm, folder, submission, keep=arguments["keep"])
    say(collect.summary_line(record, folder))
