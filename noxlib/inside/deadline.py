"""Ends by force: the suite's timeout, and SIGTERM.

There is no thread here: from Python 3.12 on, each ``fork()`` in a process with a second thread raises a warning, which
fails the tests of projects that take warnings for errors. So a process of its own watches, as no child of this one.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import select
import signal
import subprocess
import time
from typing import Any, Callable

from . import hung

GRACE = 10.0  # seconds between the first attempt and SIGKILL, for a test that never returns from C
SIGNAL = signal.SIGRTMAX - 1 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR2  # one that tests do not use
LONGEST = 2_000_000.0  # seconds that poll(2) can wait


def watch(seconds: float, expire: Callable[[], None], give_up: Callable[[], None], code: int) -> None:
    """Have this process ended with ``code`` after ``seconds``, or when a phase of a test hangs (see ``hung.py``).

    A signal then has faulthandler write the stacks of all threads to the standard error that this process has now
    (pytest captures it later), calls ``expire``, kills all children and leaves without waiting for anything. If the
    interpreter does not get to that, because a test hangs in C, the watching process calls ``give_up`` in its own copy
    of this one, and kills.
    """
    stderr = os.dup(2)
    watched = os.getpid()

    def handle(_signum: int, _frame: Any) -> None:
        if os.getpid() == watched:
            what = "a test hangs" if hung.hangs() else f"the suite's timeout of {seconds:g} s has passed"
            leave(stderr, f"{what}; every thread was there", expire, code)

    signal.signal(SIGNAL, handle)
    faulthandler.register(SIGNAL, file=stderr, all_threads=True, chain=True)
    beside(lambda watched: guard(watched, seconds, give_up))


def watch_phases() -> None:
    """Have this process ended where a test hangs: all there is, or a worker; pytest-xdist tells which, and goes on.

    SIGABRT has faulthandler, which pytest switches on, write the stacks of all threads.
    """

    def guard(watched: int) -> None:
        while outlives(watched, hung.PAUSE):
            if hung.hangs():
                os.kill(watched, signal.SIGABRT)
                return

    beside(guard)


def beside(guard: Callable[[int], None]) -> None:
    """Call a function with the id of this process in another one, which keeps no file of it open and no signal ends."""
    watched = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            if os.fork() == 0:  # twice, so that tests that wait for any child of theirs do not meet this one
                keep_apart()
                guard(watched)
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def leave(stderr: int, message: str, expire: Callable[[], None], code: int) -> None:
    """End this process at once, whatever its other threads and its exit handlers would say to it."""
    try:
        os.write(stderr, f"\nnoxlib: {message}\n".encode())
        expire()
    finally:
        try:
            kill_children(os.getpid())
        finally:
            os._exit(code)


def keep_apart() -> None:
    """Be no part of what the tests do: of their output, and of what is sent to their group."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # sent to the group: they are for the tests
        signal.signal(number, signal.SIG_IGN)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)


def guard(watched: int, seconds: float, give_up: Callable[[], None]) -> None:
    """Watch a process until it ends; if it does not in time, ask it to, and kill it if it still does not."""
    if overstays(watched, seconds):
        os.kill(watched, SIGNAL)
        if outlives(watched, hung.PAUSE if hung.hangs() else GRACE):
            give_up()
            kill_children(watched)
            os.kill(watched, signal.SIGKILL)


def overstays(process: int, seconds: float) -> bool:
    """Wait until a process ends, hangs in a phase of a test, or the time has passed; whether it still runs."""
    end = time.monotonic() + seconds
    while not hung.hangs() and time.monotonic() < end:
        if not outlives(process, min(hung.PAUSE, max(end - time.monotonic(), 0.0))):
            return False
    return outlives(process, 0.0)


def outlives(process: int, seconds: float) -> bool:
    """Wait until a process ends or the time has passed; whether it still runs."""
    try:
        descriptor = os.pidfd_open(process)  # Linux 5.3
    except (AttributeError, OSError):
        return _outlives_by_asking(process, seconds)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return not poll.poll(min(seconds, LONGEST) * 1000)


def _outlives_by_asking(process: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return False
        time.sleep(0.2)
    return True


def kill_children(process: int) -> None:
    """Kill all processes that descend from one: workers of pytest-xdist outlive their parent."""
    for child in descendants(process, parents()):
        if child != os.getpid():
            with contextlib.suppress(OSError):  # ended by itself, or another user's, whom the place ends
                os.kill(child, signal.SIGKILL)


def parents() -> dict[int, int]:
    """Parent of each process on this machine, or in this container."""
    if not os.path.isdir("/proc/self"):
        lines = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, check=True).stdout.split()
        return dict(zip(map(int, lines[::2]), map(int, lines[1::2])))
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{name}/stat", "rb") as stream:  # it may have ended by now
            found[int(name)] = int(stream.read().rpartition(b")")[2].split()[1])  # proc(5): pid (name) state ppid …
    return found


def descendants(process: int, parent_of: dict[int, int]) -> list[int]:
    """Children of ``process``, their children and so on, in no particular order."""
    found: list[int] = []
    generation = {process}
    while generation:
        generation = {child for child, parent in parent_of.items() if parent in generation and child not in found}
        found += generation
    return found


def interrupt_on_sigterm() -> None:
    """Let SIGTERM do what Ctrl-C does, so that fixtures are torn down and the result is written.

    Forked children get the default back: tests that terminate their own children expect those to die of it.
    """

    def interrupt(_signum: int, _frame: Any) -> None:
        raise KeyboardInterrupt("SIGTERM")

    def restore() -> None:
        if signal.getsignal(signal.SIGTERM) is interrupt:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, interrupt)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=restore)


def ignore_interrupts() -> None:
    """The tests have ended: what is left is to write what came of them, and an interrupt would lose it."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
