"""Writes down which deadline each test has: the interval of the timer that ends it, in seconds."""

import json
import signal
from pathlib import Path

import pytest

DEADLINES = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    DEADLINES[item.name] = signal.getitimer(signal.ITIMER_REAL)[1]
    yield


def pytest_sessionfinish():
    Path("deadlines.json").write_text(json.dumps(DEADLINES), encoding="utf-8")
