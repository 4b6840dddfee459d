"""A deadline for each phase of a test: set-up, call, teardown. On expiry the stacks of all threads, and a failure.

It works by SIGALRM, so that there is no second thread (see ``deadline.py``); a test that hangs in C is left to the
suite's own timeout. Where pytest-timeout is configured it does this work alone.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import sys
import tempfile
import threading
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PYTEST_TIMEOUT = ("timeout", "pytest_timeout")  # by its entry point, by -p


class Phases:
    """Limits each phase of a test to ``seconds`` times ``multiplier``; its marker ``timeout`` says other seconds."""

    def __init__(self, config: Any, seconds: float, multiplier: float, name: str) -> None:
        self.seconds = seconds
        self.multiplier = multiplier
        self.name = name
        self.markers = not present(config)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[None]:
        with self.limit(item, "setup"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[None]:
        with self.limit(item, "call"):
            yield

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[None]:
        with self.limit(item, "teardown"):
            yield

    @pytest.hookimpl
    def pytest_enter_pdb(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)  # a person has no deadline

    def base(self, item: pytest.Item) -> float | None:
        """Seconds before they are multiplied; None: no deadline, or pytest-timeout sees to it."""
        marker = item.get_closest_marker("timeout")
        if marker is None:
            return self.seconds
        if not self.markers:
            return None
        seconds = marker.args[0] if marker.args else marker.kwargs.get("timeout")
        return float(seconds) if seconds and float(seconds) > 0 else None

    @contextlib.contextmanager
    def limit(self, item: pytest.Item, phase: str) -> Iterator[None]:
        """Run a phase; a failure is raised in the middle of it when its time is up, and again if that is swallowed."""
        base = self.base(item)
        if base is None or threading.current_thread() is not threading.main_thread():
            yield
            return
        seconds = base * self.multiplier
        before = signal.signal(signal.SIGALRM, self.expired(phase, base, seconds))
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    def expired(self, phase: str, base: float, seconds: float) -> Any:
        """What SIGALRM does."""
        text = f"timeout: not done after {seconds:g} s of {phase}"
        text += f" ({base:g} s times {self.multiplier:g} of environment {self.name})" if self.multiplier != 1 else ""

        def handle(_signum: int, _frame: Any) -> NoReturn:
            __tracebackhide__ = True
            sys.stderr.write(f"\nnoxlib: {text}; every thread was there\n{stacks()}")
            pytest.fail(text)

        return handle


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
