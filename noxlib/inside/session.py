"""Carries one task out: guards, pytest in this process, ``result/``. The main program of ``run.py``."""

from __future__ import annotations

import contextlib
import glob
import os
import shlex
import shutil
import sys
import sysconfig
import time
import traceback
from pathlib import Path
from typing import Any

from . import breaches, cpus, deadline, guards, hung, measure, notices, report, result, stack, tasks

INHERITED = ("PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT", "PYTEST_XDIST_TESTRUNUID", "PYTEST_CURRENT_TEST")
CAUSES = {2: "stopped", 3: "internal", 4: "usage"}


class Session:
    """One task, from its start to its result."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.began = time.monotonic()
        self.folder = os.path.abspath(task["result"])
        self.argv: list[str] = []
        self.program: Any = None
        self.cause: str | None = None
        self.message: str | None = None

    def run(self) -> int:
        """Give the exit code: pytest's own, or one of ours (see ``result.py``)."""
        self.message = guards.interpreter(self.task["python"])
        if self.message:
            print(f"noxlib: {self.message}", flush=True)
            self.cause = "guard"
            return self.finish(result.GUARD)
        deadline.watch(self.task["timeout"], self.expire, self.give_up, result.TIMEOUT)
        deadline.interrupt_on_sigterm()
        try:
            code = self.script() if self.task.get("script") else self.pytest()
        except KeyboardInterrupt as error:
            self.cause, self.message = "interrupted", str(error) or "KeyboardInterrupt"
            code = 2
        except Exception as error:  # noqa: BLE001 - a hook of the project's at the very end, or a test that closed stdout
            self.cause, self.message = "internal", f"{type(error).__name__}: {error}"
            with contextlib.suppress(OSError, ValueError):
                traceback.print_exc(file=sys.__stderr__)
            code = 3
        finally:
            deadline.ignore_interrupts()
            measure.save()
        return self.finish(code)

    def pytest(self) -> int:
        """Run pytest as its own command would: same ``sys.argv`` and ``sys.path``, in the workspace."""
        os.chdir(self.task["workspace"])
        scripts = sysconfig.get_path("scripts")
        self.argv = arguments(self.task)
        sys.argv = [os.path.join(scripts, "pytest"), *self.argv]
        if not getattr(sys.flags, "safe_path", False):
            sys.path.insert(0, scripts)
        cpus.limit_workers(os.environ, cpus.available())
        try:
            stack.begin()
        except (OSError, ValueError) as error:
            self.cause, self.message = "services", f"the services cannot be used: {error}"
            print(f"noxlib: {self.message}", flush=True)
            return 3
        if self.task.get("coverage"):
            measure.start(self.folder)
        try:
            import pytest  # noqa: PLC0415 - after coverage has started, or it would miss what plugins import
        except ImportError as error:
            self.cause, self.message = "usage", f"pytest cannot be imported in this testground: {error}"
            print(f"noxlib: {self.message}", flush=True)
            return 4
        return int(pytest.main(list(self.argv)))

    def script(self) -> int:
        """Run the task's script instead of pytest."""
        from . import script  # noqa: PLC0415 - few tasks have one

        self.program = script.Script(self.task)
        self.argv = self.program.argv
        return int(self.program.run())

    def active(self) -> Any:
        """What reports: pytest's controller, once pytest has started it, or the script; None before."""
        return self.program or active_plugin()

    def finish(self, code: int) -> int:
        """Write result.json and give the final exit code."""
        plugin = self.active()
        if plugin is not None:
            self.cause = self.cause or plugin.cause
            self.message = self.message or plugin.message or plugin.report.problem
            try:
                self.copy_junit(plugin.junit)
                if plugin.resumed:
                    plugin.resumed.complete(os.path.join(self.folder, "junit.xml"))
            except (OSError, SyntaxError) as error:  # a full disk, or what is no XML: the result is told all the same
                print(f"noxlib: junit.xml is not whole: {error}", flush=True)
        self.judge(code, plugin)
        code = {"guard": result.GUARD, "empty-shard": 0}.get(self.cause or "", code)
        if plugin is not None:
            plugin.report.event("finish", exit_code=code)
        result.write(self.folder, {**self.describe(code, plugin), **stack.end(self.folder)})
        return code

    def judge(self, code: int, plugin: Any) -> None:
        """Find the cause where none is known yet."""
        counts = plugin.report.counts() if plugin is not None else {}
        if self.cause in (None, "usage") and conftest_failure():
            self.cause, self.message = "collection", conftest_failure()
        elif self.cause is not None:
            return
        elif plugin is not None and any(when == "collect" for _, when in plugin.report.errors):
            self.cause = "collection"
        elif plugin is not None and plugin.crashed:
            self.cause = "crashed"
            if plugin.resumed:
                self.cause, self.message = plugin.resumed.cause, plugin.resumed.message
        elif plugin is not None and code == result.NO_TESTS and plugin.empty_shard:
            self.cause = "empty-shard"
        elif code == result.NO_TESTS or (code == 0 and not result.ran(counts)):
            self.cause = result.no_tests_cause(counts)
        else:
            breach, test = breaches.of(plugin.report.failures if plugin is not None else ())
            self.cause, self.message = breach or CAUSES.get(code), self.message or test
        if self.cause == "usage" and not self.message:
            self.message = "pytest refuses its arguments or its configuration; its own lines say which"

    def describe(self, code: int, plugin: Any) -> dict[str, Any]:
        """What ``result.json`` says: how pytest ended, and what the plugin saw where it was loaded."""
        known = plugin.report if plugin is not None else None
        return {
            "version": result.VERSION,
            "exit_code": code,
            "cause": self.cause,
            "message": result.shorten(self.message) or None,
            "counts": known.counts() if known else dict.fromkeys(result.COUNTS, 0),
            "failures": list(known.failures) if known else [],
            "deselected": known.deselected if known else 0,
            "seeds": plugin.seeds() if plugin is not None else {},
            "interpreter": result.interpreter(),
            "imports": plugin.imports if plugin is not None else {},
            "timings": self.timings(plugin),
            "argv": self.argv,
            "shard": plugin.cut if plugin is not None else None,
            "profile": self.profile(plugin),
            "leaks": self.leaks(plugin),
            "notices": notices.gathered(getattr(plugin, "config", None)),
        }

    def profile(self, plugin: Any) -> dict[str, Any] | None:
        """The environment profile that held, and what it skipped; None without one."""
        environment = getattr(plugin, "environment", None)
        found = environment.profile if environment is not None else self.task.get("profile")
        if not found:
            return None
        keys = ("name", "reason", "level", "timeout_multiplier", "concurrent")
        skipped = dict(environment.skipped) if environment is not None else {}
        return {**{key: found[key] for key in keys if key in found}, "skipped": skipped}

    def leaks(self, plugin: Any) -> list[dict[str, str]]:
        """What tests left behind; nothing where nobody asked."""
        found = getattr(getattr(plugin, "environment", None), "leaks", None)
        return [{"test": test, "what": what} for test, left in (found.found.items() if found else ()) for what in left]

    def timings(self, plugin: Any) -> dict[str, float]:
        """Seconds until collection, of collection, of the tests, of what came after, and of all."""
        marks = dict(plugin.marks) if plugin is not None else {}
        ends = {"start": "collect", "collect": "run", "run": "end"}
        now = time.monotonic()
        marks["start"] = self.began
        found = {step: marks.get(end, now) - marks[step] for step, end in ends.items() if step in marks}
        return {name: round(seconds, 6) for name, seconds in {**found, "total": now - self.began}.items()}

    def copy_junit(self, own: str | None) -> None:
        """Keep a copy of the JUnit file that the project's own options send elsewhere."""
        if own and os.path.isfile(os.path.expanduser(own)):
            shutil.copyfile(os.path.expanduser(own), os.path.join(self.folder, "junit.xml"))

    def expire(self) -> None:
        """Write the result of a suite whose time is up, in the middle of whatever it does."""
        plugin = self.active()
        self.time_is_up(list(plugin.report.running) if plugin is not None else [])
        result.write(self.folder, self.describe(result.TIMEOUT, plugin))
        measure.save()

    def give_up(self) -> None:
        """The same in the watching process, which knows only what the suite has written."""
        path = os.path.join(self.folder, "report.jsonl")
        found = report.read(path) if os.path.exists(path) else None
        self.time_is_up(list(found.running) if found is not None else [])
        written = {"counts": found.counts(), "failures": found.failures} if found is not None else {}
        result.write(self.folder, {**self.describe(result.TIMEOUT, None), **written})

    def time_is_up(self, running: list[str]) -> None:
        self.cause = "timeout"
        what = "a test hangs" if hung.hangs() else f"not done after {self.task['timeout']:g} s"
        self.message = f"{what}; running: {', '.join(running) or 'no test'}"


def arguments(task: dict[str, Any]) -> list[str]:
    """Pytest's arguments. Default paths go in as ``testpaths``, which pytest itself drops where a path is given.

    (Paths that are no existing file or folder, such as test ids, are left to the plugin: testpaths are globs.)
    """
    # Whatever paths are named, and wherever pytest's own configuration lies, a test has one id: from the workspace.
    plugin = ["-p", f"{__package__}.plugin", "--rootdir=."]
    paths = list(task.get("paths") or ())
    if paths and all(Path(task["workspace"], path).exists() for path in paths):
        plugin += ["-o", "testpaths=" + " ".join(shlex.quote(glob.escape(path)) for path in paths)]
    return [*plugin, *(task.get("arguments") or ())]


def active_plugin() -> Any:
    """The plugin's controller, once pytest has started it; None before."""
    module = sys.modules.get(f"{__package__}.plugin")
    return getattr(module, "active", None)


def conftest_failure() -> str | None:
    """What made pytest give up while it imported a conftest.py; None if nothing did."""
    failures = getattr(sys.modules.get(f"{__package__}.plugin"), "conftest_failures", ())
    return next(iter(failures), None)


def main(argv: list[str]) -> int:
    """Carry out the task whose file is the one argument."""
    try:
        (path,) = argv[1:]
        task = tasks.read(path)
    except (OSError, ValueError) as error:
        print(f"noxlib: run.py needs the path of a task: {error}", file=sys.stderr)
        return 64  # EX_USAGE of sysexits.h
    for name in INHERITED:  # a run may be started by a test of another one
        os.environ.pop(name, None)
    os.environ["NOXLIB_TASK"] = os.path.abspath(path)
    os.makedirs(task["result"], exist_ok=True)
    return Session(task).run()
