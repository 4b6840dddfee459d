"""What is told of single tests beside their outcome: budgets that they broke, flaky ones, quarantined ones.

It is noted where a test runs, which may be a worker of pytest-xdist, and goes home in the test's ``user_properties``,
and so into its JUnit as well: a property ``noxlib-KIND`` whose value is an object of JSON.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

NAME = "noxlib-notices"
PREFIX = "noxlib-"
#: Kind -> title of its section at the end of the output, and a line there.
KINDS = {
    "budgets": ("over budget", "{test}: {what} {mb:g} MB, budget {budget_mb} MB"),
    "flaky": ("flaky", "{test}: {failed} of {runs} runs failed"),
    "quarantined": ("quarantined", "{test}: {message} (quarantined until {expires}, {owner}: {reason})"),
}


def note(properties: list[tuple[str, object]], kind: str, **values: object) -> None:
    """Note something of a test, or of its report: ``properties`` are its ``user_properties``."""
    properties.append((PREFIX + kind, json.dumps(values)))


class Notices:
    """The plugin of the process that the user sees."""

    def __init__(self) -> None:
        self.found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "teardown" and report.user_properties:
            for name, value in report.user_properties:
                kind = name[len(PREFIX) :] if str(name).startswith(PREFIX) else ""
                if kind in self.found:
                    self.found[kind].append({"test": report.nodeid, **json.loads(value)})

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        for kind, (title, line) in KINDS.items():
            if self.found[kind]:
                terminalreporter.section(title)
            for values in self.found[kind]:
                terminalreporter.write_line(line.format(**values))


def gather(config: Any) -> None:
    """Have what is noted gathered in this process, unless it is a worker, once."""
    if not hasattr(config, "workerinput") and config.pluginmanager.get_plugin(NAME) is None:
        config.pluginmanager.register(Notices(), NAME)


def gathered(config: Any) -> dict[str, list[dict[str, Any]]]:
    """What was noted, by its kind; nothing of a kind that nobody looked for."""
    plugin = config.pluginmanager.get_plugin(NAME) if config is not None else None
    return dict(plugin.found) if plugin is not None else {}
