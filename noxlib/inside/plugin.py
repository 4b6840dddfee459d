"""The pytest plugin of a run: loaded by ``-p``, for pytest 7 to 9, with pytest-xdist or without.

It takes its task from the file that ``NOXLIB_TASK`` names. Without one, ``pytest -p noxlib.inside.plugin``, it holds an
environment profile only. (PYTEST_DONT_REWRITE: there are no assertions here to explain, and rewriting costs time.)
"""

from __future__ import annotations

import gc
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from . import cpus, guards, measure, resumed, selection, tasks
from .report import Report, message_of
from .result import GUARD
from .selection import Selection

if TYPE_CHECKING:
    from collections.abc import Iterator

WORKER = "PYTEST_XDIST_WORKER"
active: Controller | None = None
conftest_failures: list[str] = []

if WORKER in os.environ:
    measure.start_in_worker()


def environments() -> bool:
    """Whether there may be an environment profile here: not in a task without one, as the unit tests' is."""
    task = tasks.current()
    return task is None or bool(task.get("profile"))


@pytest.hookimpl
def pytest_addoption(parser: Any) -> None:
    if environments():
        from . import options  # noqa: PLC0415 - the unit tests do not pay for it

        options.add(parser)


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: Any) -> Iterator[None]:
    """Before any conftest is imported: leave coverage to pytest-cov where it is active; see why a conftest fails.

    After them: the short names of our options, where those are free. A suite without a profile gets none.
    """
    known = early_config.known_args_namespace
    measure.yield_to_pytest_cov(bool(getattr(known, "cov_source", None)) and not getattr(known, "no_cov", False))
    result: Any = yield
    error = result.excinfo[1] if result.excinfo else None
    if type(error).__name__ == "ConftestImportFailure" and WORKER not in os.environ:
        conftest_failures.append(str(error).strip())
    if environments():
        from . import options  # noqa: PLC0415

        options.add_short(parser)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """After the conftests, before the session: guards, default paths, the share of the CPUs that each worker gets."""
    global active  # noqa: PLW0603 - pytest loads the plugin by name, so run.py can reach it only here
    task = tasks.current()
    environment = None
    if environments():
        from . import profile  # noqa: PLC0415

        environment = profile.hold(config, task or {})
    if task is None:
        selection.hold(config)
        return None
    if task.get("quarantine") or task.get("reruns"):
        from . import quarantine, reruns  # noqa: PLC0415

        quarantine.hold(config, task)
        reruns.hold(config, task)
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Worker(config, task), "noxlib-worker")
        return None
    active = Controller(config, task, environment)
    config.pluginmanager.register(active, "noxlib-controller")
    return active.prepare()


class Worker(Selection):
    """In a worker of pytest-xdist: what only workers know goes home with the worker's output."""

    @pytest.hookimpl
    def pytest_sessionfinish(self) -> None:
        imported = guards.imported(self.names, self.roots)
        self.config.workeroutput["noxlib"] = [self.deselected, self.by_select, imported, self.cut]
        measure.save_worker()


class Controller(Selection):
    """In the process that the user sees: counts, report.jsonl, JUnit."""

    def __init__(self, config: pytest.Config, task: dict[str, Any], environment: Any = None) -> None:
        super().__init__(config, task)
        self.environment = environment
        self.resumed = resumed.hold(config, task) if task.get("resume") else None
        self.report = self.resumed.report if self.resumed else Report(task["result"])
        self.marks: dict[str, float] = {}
        self.imports: dict[str, str | None] = {}
        self.cause: str | None = None
        self.message: str | None = None
        self.crashed = self.resumed is not None
        self.junit: str | None = None

    def prepare(self) -> int | None:
        """Check the imports and choose paths; an exit code ends the session before it begins."""
        if self.refuse(guards.imports(self.names, self.roots)):
            return GUARD
        limit_threads(getattr(self.config.option, "numprocesses", None))
        return None

    def refuse(self, problem: str | None) -> bool:
        if problem is None or self.cause == "guard":
            return self.cause == "guard"
        self.cause, self.message = "guard", problem
        print(f"noxlib: {problem}", flush=True)
        return True

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        super().pytest_configure(config)
        option: Any = config.option
        self.junit = getattr(option, "xmlpath", None)
        if not self.junit and hasattr(option, "xmlpath"):
            option.xmlpath = os.path.join(self.task["result"], "junit.xml")

    def seeds(self) -> dict[str, str]:
        """PYTHONHASHSEED, and each option that is named a seed (pytest-randomly's, hypothesis' and the like)."""
        found = {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED") or "random"}
        for name, value in vars(self.config.option).items():
            if "seed" in name and isinstance(value, (str, int)) and not isinstance(value, bool):
                found[name] = str(value)
        return found

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        self.marks["collect"] = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.marks["run"] = time.monotonic()
        self.take(self.deselected, self.by_select, guards.imported(self.names, self.roots))
        self.report.event("collected", count=len(session.items), deselected=self.deselected)
        if self.refuse(guards.outside(self.imports, self.roots)):
            pytest.exit("the guard refuses what was imported", returncode=GUARD)
        if session.config.getoption("trace", default=False):
            gc.collect()  # pytest leaves a generator, at whose end the debugger would stop instead of in the test

    @pytest.hookimpl
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.report.start(nodeid)

    @pytest.hookimpl
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.report.end(nodeid)

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: Any) -> None:
        outcome = report.outcome
        if hasattr(report, "wasxfail"):
            outcome = "xfailed" if report.skipped else "xpassed" if report.passed else outcome
        if hasattr(report, "context"):  # a subtest, of pytest 9 or of pytest-subtests
            self.subtest(report, outcome)
            return
        when = report.when
        if when == "???":  # pytest-xdist's word for a worker that died
            self.crashed = True
            self.report.crash(report.nodeid, message_of(report))
            return
        self.report.phase(report.nodeid, when, outcome, report.duration)
        if report.skipped or report.user_properties:
            resumed.note(self.report, report)
        if outcome == "failed":
            self.report.failure(report.nodeid, when, message_of(report))

    def subtest(self, report: Any, outcome: str) -> None:
        self.report.subtest(outcome)
        if outcome == "failed":
            description = report._sub_test_description() if hasattr(report, "_sub_test_description") else ""  # noqa: SLF001
            self.report.failure(report.nodeid, "subtest", f"{message_of(report)} {description}")

    @pytest.hookimpl
    def pytest_collectreport(self, report: Any) -> None:
        if report.outcome == "skipped":
            self.report.outcomes[report.nodeid] = "skipped"
        elif report.outcome == "failed":
            self.report.phase(report.nodeid, "collect", "failed", 0.0)
            self.report.failure(report.nodeid, "collect", message_of(report))

    @pytest.hookimpl
    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        if self.cause is None and excinfo.typename != "Interrupted":  # pytest's and pytest-xdist's word for -x and such
            self.cause = "interrupted" if isinstance(excinfo.value, KeyboardInterrupt) else "exit"
            self.message = str(excinfo.value) or excinfo.typename

    @pytest.hookimpl
    def pytest_internalerror(self, excinfo: Any) -> None:
        self.cause, self.message = "internal", f"{excinfo.typename}: {excinfo.value}"

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.marks["run"] = time.monotonic()  # each worker collects; the tests begin when the last is done
        self.report.event("collected", count=len(ids), deselected=0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {}).get("noxlib", (0, 0, {}, None))
        deselected, by_select, imported, cut = output
        self.cut = self.cut or cut
        self.take(deselected, by_select, imported)
        self.refuse(guards.outside(imported, self.roots))

    def take(self, deselected: int, by_select: int, imported: dict[str, str | None]) -> None:
        """Join what workers say: each of them collects everything, so the largest number is the whole."""
        self.deselected = self.report.deselected = max(self.deselected, deselected)
        self.by_select = max(self.by_select, by_select)
        self.imports.update({name: file for name, file in imported.items() if file or name not in self.imports})

    @pytest.hookimpl
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self.by_select:
            terminalreporter.write_line(f"noxlib: {self.by_select} deselected by {self.select!r}")
        super().pytest_terminal_summary(terminalreporter)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        self.marks["end"] = time.monotonic()
        self.take(0, 0, guards.imported(self.names, self.roots))
        self.refuse(guards.outside(self.imports, self.roots))


def limit_threads(workers: Any) -> None:
    """Divide the CPUs between the workers of pytest-xdist, before numerical libraries are imported."""
    count = cpus.available()
    if workers in ("auto", "logical"):
        workers = count
    cpus.limit_threads(os.environ, count, int(workers or 1))
