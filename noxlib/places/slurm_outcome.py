"""What became of a task on Slurm: its state there and its own result file, taken together. Pure."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Optional

from noxlib.engines import slurm_text
from noxlib.places.host import Exit
from noxlib.places.scheduler import Result, TaskState
from noxlib.places.supervised import NO_ROOM

if TYPE_CHECKING:
    from noxlib.engines.slurm_text import Task

UNPREPARED = 74  #: EX_IOERR of sysexits.h: the job script could not lay out the workspace on its node
NO_OUTPUT = 53  #: what Slurm gives as a signal where it cannot open the job's output file
_SIGNAL = 128
_TERMINATED = _SIGNAL + signal.SIGTERM
_OF_NODE = {"NODE_FAIL": "node-fail", "BOOT_FAIL": "node-fail", "PREEMPTED": "preempted", "REVOKED": "preempted"}


def state(task: Optional[Task]) -> TaskState:
    """Where a task is, in a scheduler's general words; one that nobody knows has failed."""
    if task is None:
        return "failed"
    if task.state in slurm_text.WAITING:
        return "waiting"
    if task.state in slurm_text.RUNNING:
        return "running"
    if task.state == "CANCELLED":
        return "cancelled"
    return "failed" if task.state in _OF_NODE else "done"


def result(task: Optional[Task], exit_: Optional[Exit], said: str = "") -> Result:
    """The result of a task that has ended.

    Slurm's state decides where it names a cause of its own (a limit, a cancellation, a node); otherwise the file that
    the task itself wrote does. COMPLETED without that file is no success.

    Args:
        task: What Slurm knows; None where it has forgotten the job.
        exit_: What the task's own file says, if there is one.
        said: The last line of the task's output.
    """
    if task is None:
        if exit_ is not None:
            return Result("done", exit_, word="UNKNOWN")
        return Result("failed", None, "the cluster knows nothing of the task any more", "lost", "UNKNOWN")
    found = _judged(task, exit_, said)
    return Result(
        found.state, found.exit, found.message, found.cause, task.state, task.node, task.restarts, task.seconds
    )


def _judged(task: Task, exit_: Optional[Exit], said: str) -> Result:
    word, where = task.state, f" on {task.node}" if task.node else ""
    if word == "CANCELLED":
        when = f"while it ran{where}" if task.node else "before it started"
        return Result("cancelled", None, f"cancelled {when}", "cancelled")
    if word in ("TIMEOUT", "DEADLINE"):
        return Result("done", Exit(exit_.code if exit_ else _TERMINATED, "timeout"), "the job's time limit passed")
    if word in _OF_NODE:
        what = f"the node {task.node} failed" if _OF_NODE[word] == "node-fail" else "another job took its place"
        return Result("failed", None, what, _OF_NODE[word])
    if word == "OUT_OF_MEMORY":
        return Result("done", Exit(_SIGNAL + signal.SIGKILL, "out-of-memory", oom=True))
    if exit_ is not None:
        return Result("done", exit_)
    return _without_file(task, said, where)


def _without_file(task: Task, said: str, where: str) -> Result:
    """It ended, and left no file of its own."""
    last = f"; it said: {said}" if said else ""
    if task.signal == NO_OUTPUT:
        return Result("failed", None, f"the folder of its output was not there, or not writable{where}", "lost")
    number = task.signal or (task.code or 0) - _SIGNAL  # the job script's own code is 128 + N where N ended its step
    if task.state == "FAILED" and 0 < number < signal.NSIG:
        return Result("done", Exit(_SIGNAL + number, "signal"))
    if task.state == "COMPLETED":
        return Result("failed", None, f"COMPLETED{where}, but it left no result{last}", "lost")
    if task.code == NO_ROOM:
        return Result("failed", None, f"a disk is full{where}, so that there is no result{last}", "disk-full")
    if task.code == UNPREPARED:
        return Result("failed", None, f"the workspace could not be laid out{where}{last}", "node")
    how = f"{task.state} with exit code {task.code}" if task.code is not None else task.state
    return Result("failed", None, f"{how}{where}, and it left no result{last}", "lost")
