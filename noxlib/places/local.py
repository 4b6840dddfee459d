"""The scheduler ``local``: processes of this machine, each with one host at a time."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import threading
import time
import warnings
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from noxlib.errors import Cancelled, NoxlibError, UsageError, of_machine
from noxlib.places.host import Command, Exit, Host
from noxlib.places.scheduler import HostTask, Result, TaskState

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from multiprocessing.connection import Connection

    from typing_extensions import Self

PDEATHSIG = 1  # PR_SET_PDEATHSIG of prctl(2)
#: One at a time: a process inherits no other one's pipe, whose end would be seen late; filelock refuses two at once.
_FORKING = threading.Lock()

Hosts = Callable[[HostTask], AbstractContextManager[Host]]
Carry = Callable[[Host, Command, HostTask], Exit]


def plainly(host: Host, command: Command, _task: HostTask) -> Exit:
    """Have a host execute a task's command."""
    return host.run(command)


class Local:
    """Runs up to ``size`` tasks at once; leaving it cancels what waits and waits for what runs.

    Each task has a process of its own, so that one can be stopped as a session is: by a signal, with the time to
    write its result and to remove its host.

    Args:
        size: How many at once.
        hosts: Makes a task's host, not entered yet; called in the task's process.
        carry: Has a host carry a task out; called there as well.
    """

    name = "local"

    def __init__(self, size: int, hosts: Hosts, carry: Carry = plainly) -> None:
        self._way = (hosts, carry)
        self._pool = ThreadPoolExecutor(max_workers=size, thread_name_prefix="noxlib-local")
        self._tasks: dict[str, _Task] = {}
        self._numbers = itertools.count(1)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        for task in self._tasks.values():
            if not task.future.cancel() and kind is not None:
                task.stop()
        self._pool.shutdown(wait=True)

    def submit(self, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
        """Accept tasks; one id each, in their order."""
        return tuple(self._submit(task) for task in tasks)

    def _submit(self, wanted: HostTask) -> str:
        name, task = f"local-{next(self._numbers)}", _Task(wanted, *self._way)
        task.future = self._pool.submit(task.run)
        self._tasks[name] = task
        return name

    def state(self, task: str) -> TaskState:
        """Where a task is now. Raises UsageError for an id that was never given."""
        future = self._task(task).future
        if future.cancelled():
            return "cancelled"
        if not future.done():
            return "running" if future.running() else "waiting"
        return future.result().state

    def cancel(self, task: str) -> bool:
        """Keep a waiting task from starting, stop a running one; False where it has ended already."""
        found = self._task(task)
        return found.future.cancel() or (not found.future.done() and found.stop())

    def fetch(self, task: str) -> Result:
        """Wait for a task's end; a host that failed is a result too."""
        try:
            return self._task(task).future.result()
        except CancelledError:
            return Result("cancelled", message="cancelled before it started", cause="cancelled")

    def ended(self, tasks: Iterable[str]) -> Iterator[tuple[str, Result]]:
        """Each of these tasks and its result, as they end."""
        names = {self._task(name).future: name for name in tasks}
        for future in as_completed(names):
            yield names[future], self.fetch(names[future])

    def _task(self, task: str) -> _Task:
        if task not in self._tasks:
            raise UsageError(f"no task {task!r} was submitted here", "use an id that submit gave")
        return self._tasks[task]


class _Task:
    """A task, and the process that carries it out once it is its turn."""

    future: Future[Result]

    def __init__(self, wanted: HostTask, hosts: Hosts, carry: Carry) -> None:
        self._job = (wanted, hosts, carry)
        self._process: Any = None
        self._lock = threading.Lock()
        self._stopped = False

    def run(self) -> Result:
        """In a thread of the pool: start the process and wait for what it says."""
        context = multiprocessing.get_context("fork")  # a host's way is a closure, which no other start can carry
        with self._lock, _FORKING, warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forks beside threads; ours only wait
            if self._stopped:
                return Result("cancelled", message="cancelled before it started", cause="cancelled")
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_carry_out, args=(*self._job, theirs))
            held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until the process can listen
            try:
                process.start()
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, held)
            self._process = process
            theirs.close()
        try:
            said: Result = ours.recv()
        except EOFError:
            process.join()
            return Result("failed", message=f"its process ended with {process.exitcode}", cause="lost")
        process.join()
        return said

    def stop(self) -> bool:
        """Tell the process to end; it removes its host on the way."""
        with self._lock:
            self._stopped = True
            if self._process is not None:
                self._process.terminate()
        return True


def _carry_out(task: HostTask, hosts: Hosts, carry: Carry, out: Connection) -> None:
    """In the process of the task."""
    _die_with_parent()
    try:
        signal.signal(signal.SIGINT, _left_to_the_session)
        signal.signal(signal.SIGTERM, _cancelled)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        said = _on_host(task, hosts, carry)
    except (Cancelled, KeyboardInterrupt):
        said = Result("cancelled", message="cancelled while it ran", cause="cancelled")
    except NoxlibError as error:
        said = Result("failed", message=str(error), cause=error.cause)
    except OSError as error:
        refused = of_machine(error)
        if refused is None:
            raise
        said = Result("failed", message=str(refused), cause=refused.cause)
    out.send(said)


def _on_host(task: HostTask, hosts: Hosts, carry: Carry) -> Result:
    log = Path(task.log) if task.log else None
    command = Command(task.argv, task.environment, limits=task.limits, log=log, echo=False)
    with hosts(task) as host:
        for source, target in task.files:
            host.put(Path(source), target)
        began = time.monotonic()
        try:
            exit_ = carry(host, command, task)
        except BaseException:
            with contextlib.suppress(NoxlibError):  # what ended it is told, and not that there is nothing to be had
                _get(host, task)
            raise
        seconds = round(time.monotonic() - began, 4)
        _get(host, task)
        return Result("done", exit_, seconds=seconds)


def _get(host: Host, task: HostTask) -> None:
    for name, target in task.results:
        host.get(name, Path(target))


def _left_to_the_session(_number: int, _frame: object) -> None:
    """Ctrl-C goes to all processes of a terminal; the one that submitted the task says what comes of it."""


def _cancelled(_number: int, _frame: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # once: the removal of the host is not to be cut short
    raise Cancelled("the task was cancelled", "submit it again when you like")


def _die_with_parent() -> None:
    """Be told to end when the thread that waits for us is gone: its process was killed. Linux only."""
    with contextlib.suppress(OSError, AttributeError):
        import ctypes  # noqa: PLC0415 - only in the task's process

        ctypes.CDLL(None).prctl(PDEATHSIG, signal.SIGTERM)
    parent = multiprocessing.parent_process()
    if parent is not None and os.getppid() != parent.pid:  # it was killed before it could be asked for that
        os.kill(os.getpid(), signal.SIGTERM)
