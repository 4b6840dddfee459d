"""Ends by force: the suite's timeout, and SIGTERM."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import subprocess
import threading
import time
from typing import Any, Callable

SECOND_LINE = 10.0  # seconds after the first, for a test that never gives the interpreter's lock away


def watch(seconds: float, expire: Callable[[], None], code: int) -> None:
    """Start a thread that ends this process with ``code`` after ``seconds``.

    It writes the stacks of all threads to the standard error that this process has now (pytest captures it later),
    calls ``expire``, kills all children and leaves without waiting for anything. Should a test hold the interpreter's
    lock, faulthandler's own thread ends the process some seconds later with exit code 1 and no result.
    """
    stderr = os.dup(2)
    faulthandler.dump_traceback_later(seconds + SECOND_LINE, exit=True, file=stderr)
    thread = threading.Thread(target=_wait, args=(seconds, stderr, expire, code), name="noxlib-deadline", daemon=True)
    thread.start()


def _wait(seconds: float, stderr: int, expire: Callable[[], None], code: int) -> None:
    time.sleep(seconds)
    try:
        os.write(
            stderr, f"\nnoxlib: the suite's timeout of {seconds:g} s has passed; every thread was here:\n".encode()
        )
        faulthandler.dump_traceback(file=stderr, all_threads=True)
        expire()
    finally:
        try:
            kill_children()
        finally:
            os._exit(code)


def kill_children() -> None:
    """Kill all processes that descend from this one: workers of pytest-xdist outlive their parent."""
    for child in descendants(os.getpid(), parents()):
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
