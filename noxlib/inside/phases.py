"""A deadline for each phase of a test: set-up, call, teardown. On expiry the stacks of all threads, and a failure.

It works by SIGALRM, so that there is no second thread (see ``deadline.py``); a test that hangs in C does not see it,
and is ended with its process (see ``hung.py``). Where pytest-timeout is configured it does this work alone.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any

import pytest

from . import hung

if TYPE_CHECKING:
    from collections.abc import Iterator

PRECISION = 0.001  # of a timer, in seconds
PYTEST_TIMEOUT = ("timeout", "pytest_timeout")  # by its entry point, by -p


class Phases:
    """Limits each phase of a test to ``seconds`` times ``multiplier``; its marker ``timeout`` says other seconds.

    A project that has a handler for SIGALRM at that moment keeps it, and the phase has no deadline.
    """

    def __init__(self, config: Any, seconds: float, multiplier: float, name: str) -> None:
        self.default = seconds
        self.multiplier = multiplier
        self.name = name
        self.markers = not present(config)
        self.main = threading.current_thread() is threading.main_thread()  # others cannot have a handler
        self.process = os.getpid()
        self.base: float | None = None  # of the running test, before it is multiplied
        self.seconds = 0.0  # of its running phase
        self.phase = ""
        self.handler = self.expire  # one object, to know it again
        if hasattr(config, "workerinput"):
            hung.watch_worker()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        self.base = self.base_of(item)
        armed = self.arm("setup")
        try:
            yield
        finally:
            self.disarm(armed)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        armed = self.arm("call")
        try:
            yield
        finally:
            self.disarm(armed)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        armed = self.arm("teardown")
        try:
            yield
        finally:
            self.disarm(armed)

    @pytest.hookimpl
    def pytest_enter_pdb(self) -> None:
        self.disarm(armed=True)  # a person has no deadline

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        if self.main and signal.getsignal(signal.SIGALRM) is self.handler:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def base_of(self, item: pytest.Item) -> float | None:
        """Seconds before they are multiplied; None: no deadline, or pytest-timeout sees to it."""
        marker = item.get_closest_marker("timeout")
        if marker is None:
            return self.default
        if not self.markers:
            return None
        seconds = marker.args[0] if marker.args else marker.kwargs.get("timeout")
        return float(seconds) if seconds and float(seconds) > 0 else None

    def arm(self, phase: str) -> bool:
        """Start the phase's time: a failure is raised in it when that is over, and again if that is swallowed."""
        if self.base is None or not self.main:
            return False
        handler = signal.getsignal(signal.SIGALRM)
        if handler is not self.handler:
            if handler not in (signal.SIG_DFL, signal.SIG_IGN):
                return False
            signal.signal(signal.SIGALRM, self.handler)
        self.phase = phase
        self.seconds = self.base * self.multiplier
        hung.expect(self.seconds)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, self.seconds)
        return True

    def disarm(self, armed: bool) -> None:
        """Stop the time, unless the timer is the test's own by now: its interval tells."""
        if armed and abs(signal.getitimer(signal.ITIMER_REAL)[1] - self.seconds) < PRECISION:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if armed:
            hung.over()

    def expire(self, _signum: int, _frame: Any) -> None:
        """What SIGALRM does. A forked child's alarm is its own, and ends it as if we were not there."""
        __tracebackhide__ = True
        if os.getpid() != self.process:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGALRM)
            return
        text = f"timeout: not done after {self.seconds:g} s of {self.phase}"
        if self.multiplier != 1:
            text += f" ({self.base:g} s times {self.multiplier:g} of environment {self.name})"
        sys.stderr.write(f"\nnoxlib: {text}; every thread was there\n{stacks()}")
        pytest.fail(text)


def stacks() -> str:
    """The stacks of all threads, as faulthandler writes them: into a file of the system only."""
    with tempfile.TemporaryFile("w+") as stream:
        faulthandler.dump_traceback(stream, all_threads=True)
        stream.seek(0)
        return stream.read()


def present(config: Any) -> bool:
    """Whether pytest-timeout is there: then its marker is its own."""
    return any(config.pluginmanager.hasplugin(name) for name in PYTEST_TIMEOUT)


def configured(config: Any) -> bool:
    """Whether pytest-timeout is there and has a timeout: then all of it is left to that."""
    if not present(config):
        return False
    given = getattr(config.option, "timeout", None) or os.environ.get("PYTEST_TIMEOUT") or config.getini("timeout")
    return bool(given) and float(given) > 0
