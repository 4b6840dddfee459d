"""Going on where a test ended the process that ran it: its tests stay, the one that ran has crashed, the rest follows.

What the process before had done stands in ``report.jsonl``; the place's side says in the task how it ended.
"""

from __future__ import annotations

import contextlib
import json
import os
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from . import junit, notices, report

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

GATHER = ("noxlib-notices", "noxlib-leaks", "noxlib-environment")  #: plugins
PROFILE = "environment "  #: in the reason for which a profile skips a test
ENOUGH = -1  #: what is left of ``--maxfail`` where nothing is: no test is to run


class Resumed:
    """What was before: its report, to which this process adds, and what it lacks."""

    def __init__(self, task: Mapping[str, Any], config: Any) -> None:
        self.cause: str = task["resume"]["cause"]
        self.message: str = task["resume"]["message"]
        before = report.read(path_of(task))
        self.report = report.Report(task["result"])
        self.report.outcomes, self.report.errors = before.outcomes, before.errors
        self.report.failures, self.report.subtests = before.failures, before.subtests
        self.report.begin_line()
        for test in before.running:
            self.report.crash(test, self.message)
        self.report.event("resumed")
        tell_again(path_of(task), config.pluginmanager)
        self.ended = ended(task)
        self.failed = sum(line["outcome"] in ("failed", "error", report.CRASHED) for line in self.ended.values())
        if config.option.maxfail:
            config.option.maxfail = config.option.maxfail - self.failed or ENOUGH

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Iterator[None]:
        """What failed before counts for the exit code; not earlier, or it would be taken for an error of collection."""
        yield
        session.testsfailed += self.failed

    def complete(self, path: str) -> None:
        """Add the tests of before to this process' JUnit file."""
        if os.path.isfile(path):
            junit.add(path, [self.case(test, line) for test, line in self.ended.items()])

    def case(self, test: str, line: Mapping[str, Any]) -> junit.Case:
        """A test as JUnit has it."""
        classname, name = junit.of_id(test)
        message = next((failure["message"] for failure in self.report.failures if failure["id"] == test), "")
        return junit.Case(name, line["outcome"], line["duration"], message, classname=classname)


def hold(config: Any, task: Mapping[str, Any]) -> Resumed:
    """Go on, in the process that the user sees."""
    found = Resumed(task, config)
    config.pluginmanager.register(found, "noxlib-resumed")
    return found


def note(own: report.Report, found: Any) -> None:
    """Write down what a test's report tells beside its outcome: the process that gathers it may be ended."""
    told = found.user_properties if found.when == "teardown" else ()
    properties = [pair for pair in told if str(pair[0]).startswith(notices.PREFIX) and isinstance(pair[1], str)]
    reason = str(found.longrepr[2]) if found.skipped and isinstance(found.longrepr, tuple) else ""
    if properties or PROFILE in reason:
        own.event("told", id=found.nodeid, properties=properties, reason=reason)


def tell_again(path: str, plugins: Any) -> None:
    """Have those who gather it told what was written down."""
    gather = [plugin for plugin in map(plugins.get_plugin, GATHER) if plugin is not None]
    for event in report.events(path, "told"):
        again = SimpleNamespace(
            nodeid=event["id"],
            when="teardown",
            user_properties=event["properties"],
            skipped=bool(event["reason"]),
            longrepr=("", 0, event["reason"]),
        )
        for plugin in gather:
            plugin.pytest_runtest_logreport(again)


def path_of(task: Mapping[str, Any]) -> str:
    """The file that one process after the other adds its lines to."""
    return os.path.join(task["result"], "report.jsonl")


def left(task: Mapping[str, Any], config: Any, items: list[pytest.Item]) -> list[pytest.Item]:
    """The tests that are still to be run. Each worker of pytest-xdist finds the same, whenever it starts."""
    done = ended(task)
    return [item for item in items if item.nodeid not in done] if (config.option.maxfail or 0) >= 0 else []


def ended(task: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The last line of each test that had ended when this process began."""
    found: dict[str, dict[str, Any]] = {}
    before: dict[str, dict[str, Any]] = {}
    with open(path_of(task), encoding="utf-8") as stream:
        for line in stream:
            if '"end"' in line and line.endswith("}\n"):
                with contextlib.suppress(ValueError):  # two lines, of which the first was cut off
                    event = json.loads(line)
                    found[event["id"]] = event
            elif line == '{"event": "resumed"}\n':
                before = dict(found)
    return before
