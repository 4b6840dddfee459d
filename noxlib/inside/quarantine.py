"""Tests in quarantine: their failures are told apart, and fail nothing. The others run as ever.

A quarantine names a test by its id, by its id without parameters (then all of them) or by a glob, in which a bracket
after the file's name is that of the parameters.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import pytest

from . import notices
from .report import message_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

NAME = "noxlib-quarantine"
FILE, TEST = "::", "["  # end of the file in a test's id, and beginning of its parameters


class Quarantine:
    """The plugin, in each process that runs tests. An entry has ``test``, ``owner``, ``reason`` and ``expires``."""

    def __init__(self, config: Any, entries: Sequence[Mapping[str, str]]) -> None:
        self.config = config
        self.entries = entries
        self.held: dict[str, Mapping[str, str]] = {}  # id of a test -> its entry
        self.unknown: list[str] = []

    @pytest.hookimpl(tryfirst=True)  # before anything is deselected
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        ids = [item.nodeid for item in items]
        for entry in self.entries:
            found = [test for test in ids if matches(entry["test"], test)]
            self.held.update(dict.fromkeys(found, entry))
            if not found and self.collected_file_of(entry["test"], ids):
                self.unknown.append(entry["test"])

    def collected_file_of(self, test: str, ids: Sequence[str]) -> bool:
        """Whether a file was collected whole in which there should be a test, of a run of single tests never.

        --lf collects what failed last time alone.
        """
        file = test.partition(FILE)[0]
        single = any(FILE in str(argument) for argument in self.config.args)
        whole = not single and not getattr(self.config.option, "lf", False)
        return whole and any(fnmatchcase(one.partition(FILE)[0], file) for one in ids)

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Iterator[None]:
        outcome: Any = yield
        entry = self.held.get(item.nodeid)
        if entry is None:
            return
        report = outcome.get_result()
        if report.failed:
            noted = {name: entry[name] for name in ("owner", "reason", "expires")}
            notices.note(item.user_properties, "quarantined", message=message_of(report), **noted)
            report.user_properties = list(item.user_properties)
            report.outcome, report.wasxfail = "skipped", "quarantined: {reason} ({owner})".format(**noted)

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[NAME] = self.unknown

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each worker of pytest-xdist has collected all tests."""
        self.unknown = self.unknown or getattr(node, "workeroutput", {}).get(NAME, [])

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for test in self.unknown:
            terminalreporter.write_line(f"noxlib: the quarantine of {test} names no test", yellow=True)


def matches(pattern: str, test: str) -> bool:
    """Whether a quarantine means a test."""
    file, mark, name = pattern.partition(FILE)
    glob = f"{file}{mark}{name.replace(TEST, f'[{TEST}]')}"
    return pattern in (test, test.partition(TEST)[0]) or fnmatchcase(test, glob)


def hold(config: Any, task: Mapping[str, Any]) -> None:
    """Register the plugin where the task has quarantines."""
    entries = task.get("quarantine") or ()
    if entries:
        notices.gather(config)
        config.pluginmanager.register(Quarantine(config, entries), NAME)


def holds(config: Any, test: str) -> bool:
    """Whether a test is in quarantine."""
    plugin = config.pluginmanager.get_plugin(NAME)
    return plugin is not None and test in plugin.held
