"""A Scheduler: takes tasks and gives back results later. Each of its tasks runs on a host."""

from __future__ import annotations

from typing import Literal, Optional, Protocol

import msgspec

from noxlib.places.host import Exit
from noxlib.plan import Limits

TaskState = Literal["waiting", "running", "done", "failed", "cancelled"]


class HostTask(msgspec.Struct, frozen=True):
    """One command on one host of its own: pure data, since it may outlive the process that submits it.

    Whoever makes the scheduler gives it the way to make hosts. ``argv`` and ``environment`` are the host's own;
    paths of this machine are texts.
    """

    argv: tuple[str, ...]
    environment: dict[str, str] = {}
    limits: Limits = Limits()
    log: str = ""  #: file on this machine that gets all output
    files: tuple[tuple[str, str], ...] = ()  #: put before: file or folder here, path below the host's scratch
    results: tuple[tuple[str, str], ...] = ()  #: got after, whatever the exit: path below scratch, file or folder here


class Result(msgspec.Struct, frozen=True):
    """What became of a task.

    ``exit`` is None where it never ran to its end; ``cause`` (``node-fail``, ``lost``, …) and ``message`` then say why.
    """

    state: TaskState
    exit: Optional[Exit] = None
    message: str = ""
    cause: Optional[str] = None
    word: str = ""  #: the scheduler's own word for how it ended
    node: str = ""
    restarts: int = 0
    seconds: Optional[float] = None


class Scheduler(Protocol):
    """Ids are opaque and belong to the scheduler that gave them.

    Attributes:
        name: ``local``, ``slurm``, …
    """

    name: str

    def submit(self, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
        """Accept tasks; one id each, in their order. Raises EngineError where they are refused."""

    def state(self, task: str) -> TaskState:
        """Where a task is now. Raises UsageError for an id that was never given."""

    def cancel(self, task: str) -> bool:
        """Keep a waiting task from starting, stop a running one; False where it has ended already."""

    def fetch(self, task: str) -> Result:
        """Wait for a task's end and give its result; its result files are here then."""
