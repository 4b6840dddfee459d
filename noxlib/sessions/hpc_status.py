"""``hpc_status``: what was submitted from this checkout and not fetched yet, and how far it is."""

from __future__ import annotations

from collections import Counter

from noxlib.errors import NoxlibError
from noxlib.places.slurm import Slurm
from noxlib.sessions import hpc
from noxlib.sessions.arguments import no_rest
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; a cluster that does not answer is said, and no failure."""
    no_rest(context.session, context.parse())
    known = {entry.name for entry in hpc.entries(context.root)}
    found = [(folder, one) for folder, one in hpc.submitted(context.root) if folder.name in known]
    if not found:
        say(f"{context.session}: nothing submitted from this checkout waits to be fetched")
    for folder, submission in found:
        say(f"{folder.name}: job {submission.job.id} on {submission.host}: {_state(submission)}")


def _state(submission: hpc.Submission) -> str:
    """``2 COMPLETED, 1 RUNNING (c1), 1 PENDING (Resources)``."""
    try:
        with hpc.reached(submission.host) as runner:
            tasks = Slurm(runner, job=submission.job).known()
    except NoxlibError as error:
        return f"not known: {error}"
    words = Counter(task.state for task in tasks.values())
    details = {
        task.state: task.node or (task.reason if task.reason not in ("", "None") else "")
        for task in tasks.values()
        if not task.ended
    }
    missing = len(submission.job.tasks) - len(tasks)
    told = [f"{count} {word}{f' ({details[word]})' if details.get(word) else ''}" for word, count in words.items()]
    return ", ".join([*told, *([f"{missing} unknown"] if missing > 0 else [])])
