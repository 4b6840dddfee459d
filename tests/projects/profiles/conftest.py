"""Writes down which deadline each test has, in seconds."""

import json
from pathlib import Path

import pytest

DEADLINES = {}


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    DEADLINES[item.name] = item.config.pluginmanager.get_plugin("noxlib-phases").seconds
    yield


def pytest_sessionfinish():
    Path("deadlines.json").write_text(json.dumps(DEADLINES), encoding="utf-8")
