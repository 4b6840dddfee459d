"""The scheduler ``local``: a pool of threads on this machine, each with one host at a time."""

from __future__ import annotations

import itertools
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from noxlib.errors import NoxlibError, UsageError
from noxlib.places.scheduler import HostTask, Result, TaskState

if TYPE_CHECKING:
    from typing_extensions import Self

    from noxlib.places.host import Exit


class Local:
    """Runs up to ``size`` tasks at once; a context manager: leaving cancels what waits and waits for what runs."""

    def __init__(self, size: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="noxlib-local")
        self._tasks: dict[str, Future[Exit]] = {}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def submit(self, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
        """Accept tasks; one id each, in their order."""
        ids = []
        for task in tasks:
            name = f"local-{next(self._numbers)}"
            self._tasks[name] = self._pool.submit(_carry_out, task)
            ids.append(name)
        return tuple(ids)

    def state(self, task: str) -> TaskState:
        """Where a task is now. Raises UsageError for an id that was never given."""
        future = self._future(task)
        if future.cancelled():
            return "cancelled"
        if not future.done():
            return "running" if future.running() else "waiting"
        return "done" if future.exception() is None else "failed"

    def cancel(self, task: str) -> bool:
        """Keep a waiting task from starting; False where it is too late."""
        return self._future(task).cancel()

    def fetch(self, task: str) -> Result:
        """Wait for a task's end; a host that failed is a result too, a fault of ours is raised."""
        try:
            return Result("done", self._future(task).result())
        except CancelledError:
            return Result("cancelled", message="cancelled before it started")
        except NoxlibError as error:
            return Result("failed", message=str(error))

    def _future(self, task: str) -> Future[Exit]:
        if task not in self._tasks:
            raise UsageError(f"no task {task!r} was submitted here", "use an id that submit gave")
        return self._tasks[task]


def _carry_out(task: HostTask) -> Exit:
    with task.host() as host:
        for source, target in task.files:
            host.put(source, target)
        try:
            return host.run(task.command)
        finally:
            for name, folder in task.results:
                host.get(name, folder)
