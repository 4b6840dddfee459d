"""Tests that are new run several times before they count as stable; one that passes and fails meanwhile is flaky.

All runs count as one: its report is that of a run that failed, if there is one. Only where all of them passed does the
test pass, and so get into the history as one that is stable.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from . import notices, quarantine

if TYPE_CHECKING:
    from collections.abc import Mapping

DIGITS = 8  #: of a test's digest


class Reruns:
    """The plugin, in each process that runs tests.

    Args:
        runs: How often a test runs that is new.
        stable: The digests of those that are not, one after the other.
    """

    def __init__(self, runs: int, stable: str) -> None:
        self.runs = runs
        self.stable = {stable[at : at + DIGITS] for at in range(0, len(stable), DIGITS)}

    @pytest.hookimpl
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
        if digest(item.nodeid) in self.stable or quarantine.holds(item.config, item.nodeid):
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self.several(item, nextitem):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True

    def several(self, item: Any, nextitem: Any) -> list[Any]:
        """Run a test so often; the reports of the first run that failed, or of the last one."""
        from _pytest.runner import runtestprotocol  # noqa: PLC0415 - as all plugins do that run a test again

        properties = list(item.user_properties)
        runs = []
        for left in reversed(range(self.runs)):
            item.user_properties[:] = properties
            # Its own parent as the next one: what is of a wider scope than the test stays until the last run.
            runs.append(runtestprotocol(item, log=False, nextitem=item.parent if left else nextitem))
        failed = [reports for reports in runs if any(report.failed for report in reports)]
        chosen: list[Any] = (failed or runs[-1:])[0]
        if failed and len(failed) < len(runs):
            notices.note(chosen[-1].user_properties, "flaky", runs=len(runs), failed=len(failed))
        return chosen


def digest(test: str) -> str:
    """A test's id in few characters: of 10,000 stable ones, one new one in 400,000 is taken for one of them."""
    return hashlib.sha256(test.encode("utf-8", "surrogateescape")).hexdigest()[:DIGITS]


def hold(config: Any, task: Mapping[str, Any]) -> None:
    """Register the plugin where the task has a number of runs."""
    wanted = task.get("reruns") or {}
    if wanted:
        notices.gather(config)
        config.pluginmanager.register(Reruns(int(wanted["runs"]), wanted.get("stable", "")), "noxlib-reruns")
