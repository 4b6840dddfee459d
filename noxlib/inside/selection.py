"""Which tests run: our marker expression beside the project's own, default paths, and which shard of them."""

from __future__ import annotations

import os
import re
from typing import Any

import pytest

from . import resumed, stray

WHOLE = (0, 1)  #: the first shard of one
RANK = "noxlib-rank"
NAME = re.compile(r"[\w:+.\[\]\\/-]+")
WORDS = {"and", "or", "not", "True", "False", "None"}


class Cut:
    """Which shard of the tests runs here, in each process that collects."""

    def __init__(self, config: pytest.Config, task: dict[str, Any]) -> None:
        self.config: Any = config
        self.task = task
        self.shard = shard_of(config, task)
        self.cut: dict[str, Any] | None = None  # what the shard was cut from, where it is one of many

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        index, count = self.shard
        if count == 1:
            return
        from . import shards  # noqa: PLC0415 - most runs are whole

        total = len(items)
        items[:], digest = shards.part(items, shards.read(self.task.get("durations") or ""), index, count)
        self.cut = {"index": index, "count": count, "tests": len(items), "total": total, "digest": digest}

    @property
    def empty_shard(self) -> bool:
        """Whether nothing fell to this shard of a collection that is not empty."""
        return self.cut is not None and not self.cut["tests"] and bool(self.cut["total"])

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.cut:
            terminalreporter.write_line("noxlib: shard {index} of {count}: {tests} of {total} tests".format(**self.cut))


class Rank(Cut):
    """The shard of a rank that has no task; one to which nothing fell is no failure."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Each worker of pytest-xdist has collected all tests, and the process that hands them out none."""
        self.cut = self.cut or getattr(node, "workeroutput", {}).get(RANK)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[RANK] = self.cut
        if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self.empty_shard:
            session.exitstatus = pytest.ExitCode.OK


class Selection(Cut):
    """Our marker expression and default paths, in each process that collects, and what they and others leave out.

    pytest-xdist hands the original arguments to its workers, so each of them has to choose anew.
    """

    def __init__(self, config: pytest.Config, task: dict[str, Any]) -> None:
        super().__init__(config, task)
        self.select = task.get("select") or ""
        self.names = task.get("import_names") or ()
        self.roots = task.get("import_roots") or ()
        self.deselected = 0
        self.by_select = 0
        stray.watch(config)
        if task.get("paths") and not config.option.file_or_dir:
            config.args = list(task["paths"])

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        # With --strict-markers pytest 9 refuses an expression with a marker that the project does not know.
        for name in names(self.select):
            config.addinivalue_line("markers", f"{name}: selected by noxlib")
        config.option.markexpr = join(config.option.markexpr, self.select)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        super().pytest_collection_modifyitems(items)
        if self.task.get("resume"):
            items[:] = resumed.left(self.task, self.config, items)

    @pytest.hookimpl
    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self.deselected += len(items)
        if self.select:
            self.by_select += sum(not matches(self.select, item) for item in items)


def hold(config: Any) -> None:
    """Without a task: run this rank's shard, where the option asks for it."""
    if getattr(config.option, "noxlib_distributed", None):
        config.pluginmanager.register(Rank(config, {}), RANK)


def shard_of(config: Any, task: dict[str, Any]) -> tuple[int, int]:
    """Which part of the tests, of how many: the task's, or this rank's where the option asks for it."""
    given = tuple(task.get("shard") or WHOLE)
    ranks = given == WHOLE and getattr(config.option, "noxlib_distributed", None)
    if given == WHOLE and not ranks:
        return WHOLE
    from . import shards  # noqa: PLC0415

    return shards.rank(os.environ) if ranks else shards.checked(*given)


def names(expression: str) -> list[str]:
    """The markers that an expression names."""
    return sorted(set(re.findall(r"[^\W\d]\w*", expression)) - WORDS)


def join(own: str, select: str) -> str:
    """Join two marker expressions by ``and``; one that holds ours already stays."""
    if not own or not select or own == select or own.endswith(f"and ({select})"):
        return own or select
    return f"({own}) and ({select})"


def matches(expression: str, item: pytest.Item) -> bool:
    """Whether a marker expression holds for a test; an expression that is no plain logic of names does not."""
    plain = NAME.sub(
        lambda name: name[0] if name[0] in WORDS else str(item.get_closest_marker(name[0]) is not None), expression
    )
    if set(re.findall(r"\w+", plain)) - WORDS or re.search(r"[^\w\s()]", plain):
        return False
    return bool(eval(plain, {"__builtins__": {}}))  # noqa: S307 - only True, False, and, or, not are left
