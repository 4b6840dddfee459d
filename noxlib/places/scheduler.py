"""A Scheduler: takes tasks and gives back results later. Each of its tasks runs on a host."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable, Literal, Optional, Protocol

import msgspec

from noxlib.places.host import Command, Exit, Host

TaskState = Literal["waiting", "running", "done", "failed", "cancelled"]


class HostTask(msgspec.Struct, frozen=True):
    """One command on one host of its own."""

    host: Callable[[], AbstractContextManager[Host]]  #: makes the host, not entered yet
    command: Command
    files: tuple[tuple[Path, str], ...] = ()  #: put before: file or folder here, path below the host's scratch
    results: tuple[tuple[str, Path], ...] = ()  #: got after, whatever the exit: path below scratch, file or folder here


class Result(msgspec.Struct, frozen=True):
    """What became of a task. ``exit`` is None where it never ran to its end; ``message`` then says why."""

    state: TaskState
    exit: Optional[Exit] = None
    message: str = ""


class Scheduler(Protocol):
    """Ids are opaque and belong to the scheduler that gave them."""

    def submit(self, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
        """Accept tasks; one id each, in their order."""

    def state(self, task: str) -> TaskState:
        """Where a task is now. Raises UsageError for an id that was never given."""

    def cancel(self, task: str) -> bool:
        """Keep a waiting task from starting; False where it is too late."""

    def fetch(self, task: str) -> Result:
        """Wait for a task's end and give its result."""
