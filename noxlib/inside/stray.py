"""A copy of the tests' process, made by a test's fork, that comes back from the test: it would run all others again.

It is ended as soon as pytest gets it back. What a test forks and ends by itself is not touched, nor is what is forked
around a test, as pytest-forked does it.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

CODE = 70  # EX_SOFTWARE of sysexits.h


class Stray:
    """The plugin of such a copy alone."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> None:
        os.write(2, f"\nnoxlib: a copy forked by {item.nodeid} came back from its test and is ended\n".encode())
        os._exit(CODE)


def watch(config: Any) -> None:
    """Have each copy of this process know what it is; the process itself pays nothing for it."""

    def in_child() -> None:
        if in_test():
            config.pluginmanager.register(Stray())

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=in_child)


def in_test() -> bool:
    """Whether this was called from within a phase of a test: pytest's own function that calls it is on the stack."""
    frame: Any = sys._getframe()  # noqa: SLF001 - CPython's and PyPy's way to ask
    while frame is not None and frame.f_code.co_name != "from_call":
        frame = frame.f_back
    return frame is not None
