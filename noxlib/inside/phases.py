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
from time import monotonic  # the real one: a test's own is in its place until its teardown is over
from typing import TYPE_CHECKING, Any, Callable

import pytest

from . import deadline, hung, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

#: signal's own getsignal looks for a name of each handler, which takes longer than all else here.
getsignal: Callable[[int], Any] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)
PRECISION = 0.001  # of a timer, in seconds
LONGEST = 1e8  # seconds: three years; a system's own timers end somewhere above
SECONDS = ("seconds", "timeout")  # keywords of the marker: ours, pytest-timeout's
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
        self.end = 0.0  # of that phase, by the monotonic clock; between two phases 0
        self.due = 0.0  # when the timer comes, which is no later than that
        self.interval = 0.0  # of the timer: by it we know that it is ours
        self.phase = ""
        self.expired = ""  # what was raised in the running phase
        self.handler = self.expire  # one object, to know it again
        if hasattr(config, "workerinput") or tasks.current() is None:  # the process of a run is watched already
            deadline.watch_phases()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        try:
            self.base, wrong = self.base_of(item), None
        except ValueError as error:
            self.base, wrong = self.default, error
        armed = self.arm("setup")
        try:
            outcome: Any = yield
        finally:
            self.disarm(armed)
        self.insist(outcome)
        if wrong is not None:  # here, since pytest's own teardown wants its set-up
            outcome.force_exception(pytest.fail.Exception(str(wrong), pytrace=False))

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Iterator[None]:
        armed = self.arm("call")
        try:
            outcome: Any = yield
        finally:
            self.disarm(armed)
        self.insist(outcome)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Iterator[None]:
        armed = self.arm("teardown")
        try:
            outcome: Any = yield
        finally:
            self.disarm(armed)
        self.insist(outcome)

    @pytest.hookimpl
    def pytest_enter_pdb(self) -> None:
        self.disarm(armed=True)  # a person has no deadline

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        if self.main and signal.getsignal(signal.SIGALRM) is self.handler:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def insist(self, outcome: Any) -> None:
        """A phase that swallowed its deadline, and came to its end all the same, has failed."""
        if self.expired and outcome.excinfo is None:
            outcome.force_exception(pytest.fail.Exception(self.expired, pytrace=False))

    def base_of(self, item: pytest.Item) -> float | None:
        """Seconds before they are multiplied; None: no deadline, or pytest-timeout sees to it.

        Raises ValueError for a marker that makes no sense.
        """
        marker = item.get_closest_marker("timeout")
        if marker is None:
            return self.default
        if not self.markers:
            return None
        given = [*marker.args, *(marker.kwargs[name] for name in SECONDS if name in marker.kwargs)]
        if marker.kwargs and not given:  # other words of pytest-timeout's
            return self.default
        try:
            seconds = float(given[0])
        except (IndexError, TypeError, ValueError):
            raise ValueError("the marker timeout takes seconds: @pytest.mark.timeout(60)") from None
        return seconds if seconds > 0 else None

    def arm(self, phase: str) -> bool:
        """Let the phase's time begin: a failure is raised in it when that is over, and again if that is swallowed.

        The timer runs on from phase to phase, since each system call costs as much as an empty test's own hooks; it is
        set anew where it would come too late, and by itself where it came too early.
        """
        self.expired = ""
        if self.base is None or not self.main:
            return False
        if getsignal(signal.SIGALRM) is not self.handler and not self.take_over():
            return False
        if phase == "setup" and abs(signal.getitimer(signal.ITIMER_REAL)[1] - self.interval) > PRECISION:
            self.due = 0.0  # a test before had a timer of its own
        self.phase = phase
        self.seconds = min(self.base * self.multiplier, LONGEST)
        now = monotonic()
        self.end = now + self.seconds
        hung.expect(self.seconds)
        if not now < self.due <= self.end:
            self.set_timer(self.end)
        return True

    def take_over(self) -> bool:
        """Have the signal come to us, unless somebody else's handler is there, who keeps it."""
        if getsignal(signal.SIGALRM) not in (signal.SIG_DFL, signal.SIG_IGN):
            if self.due > monotonic():
                signal.setitimer(signal.ITIMER_REAL, 0)
            self.due = 0.0
            return False
        signal.signal(signal.SIGALRM, self.handler)
        self.due = 0.0
        return True

    def set_timer(self, due: float) -> None:
        self.due = due
        self.interval = self.seconds
        signal.setitimer(signal.ITIMER_REAL, max(due - monotonic(), PRECISION), self.interval)

    def disarm(self, armed: bool) -> None:
        """The phase is over. The timer is left alone: it may be the test's own by now."""
        self.end = 0.0
        if armed:
            hung.over()

    def expire(self, _signum: int, _frame: Any) -> None:
        """What SIGALRM does. A forked child's alarm is its own, and ends it as if we were not there."""
        __tracebackhide__ = True
        if os.getpid() != self.process:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGALRM)
            return
        if not self.end:  # between two phases
            self.due = 0.0
            return
        if monotonic() < self.end - PRECISION:
            self.set_timer(self.end)
            return
        self.end = monotonic() + self.seconds
        self.set_timer(self.end)
        text = f"timeout: not done after {self.seconds:g} s of {self.phase}"
        if self.multiplier != 1:
            text += f" ({self.base:g} s times {self.multiplier:g} of environment {self.name})"
        sys.stderr.write(f"\nnoxlib: {text}; every thread was there\n{stacks()}")
        self.expired = text
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
