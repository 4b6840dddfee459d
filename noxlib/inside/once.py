"""The fixture ``once_per_run``: a value made by one worker of pytest-xdist, used by all, taken down by the last.

The last one is who lets go of it while nobody else holds it and no other worker runs tests, and so might ask for it.
Only workers that run tests are waited for, and those wait for nobody: so two values cannot wait for each other.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

import pytest

from . import registered, tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE = 0.05  # seconds between two looks at the other workers


class Once:
    """The values of one run. There is one in each worker, or in the one process of a run without them.

    Args:
        folder: A folder that all workers of the run have in common.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = f"{os.getpid()}-{registered.began(os.getpid())}"
        self.running = folder / "running"
        self.running.mkdir(parents=True, exist_ok=True)
        (self.running / self.name).touch()

    @contextlib.contextmanager
    def __call__(
        self, name: str, make: Callable[[], Any], clean: Callable[[Any], object] | None = None
    ) -> Iterator[Any]:
        """The value of a name.

        Args:
            name: Of the value, in this run.
            make: Makes it, in one worker; it must be such that JSON can hold it.
            clean: Takes it down when no worker needs it any more.
        """
        file = self.folder / f"{file_name(name)}.json"
        value = self._enter(file, make)
        try:
            yield value
        finally:
            if self._leave(file) and clean is not None:
                clean(value)

    def tests_are_done(self) -> None:
        """This worker runs no more tests, and so asks for nothing new."""
        (self.running / self.name).unlink(missing_ok=True)

    def _enter(self, file: Path, make: Callable[[], Any]) -> Any:
        with self._locked(file):
            found = json.loads(file.read_text("utf-8")) if file.exists() else {"users": [], "value": make()}
            text = json.dumps({**found, "users": [*found["users"], self.name]})
            file.write_text(text, "utf-8")
        return json.loads(text)["value"]  # what each worker gets has been JSON

    def _leave(self, file: Path) -> bool:
        """Let go of a value; whether it is ours to take down."""
        with self._locked(file):
            found = json.loads(file.read_text("utf-8"))
            found["users"].remove(self.name)
            file.write_text(json.dumps(found), "utf-8")
        while not any(map(alive, found["users"])) and self._others_run_tests():
            time.sleep(PAUSE)
        with self._locked(file):
            if not file.exists() or any(map(alive, json.loads(file.read_text("utf-8"))["users"])):
                return False  # somebody held it meanwhile, and took it down or will
            file.unlink()
            return True

    def _others_run_tests(self) -> bool:
        return any(file.name != self.name and alive(file.name) for file in self.running.iterdir())

    @contextlib.contextmanager
    def _locked(self, file: Path) -> Iterator[None]:
        with file.with_suffix(".lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(stream, fcntl.LOCK_UN)  # closing is not enough: a forked child has the file open too


class Shared:
    """The plugin that holds what the workers of a run share: in each worker, or in the one process without them."""

    def __init__(self, config: Any) -> None:
        self.config = config
        self.values: Once | None = None
        self.forget()  # values of a process that a test ended: what they lead to went with it

    @pytest.hookimpl
    def pytest_sessionstart(self) -> None:
        if not self.config.pluginmanager.hasplugin("dsession"):  # which is in the process that only hands tests out
            self.values = Once(shared(self.config))

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, nextitem: pytest.Item | None) -> None:
        if nextitem is None and self.values is not None:
            self.values.tests_are_done()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        if self.values is not None:
            self.values.tests_are_done()

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Remove the values of a task's run; no worker of it is there yet, or any more."""
        task = tasks.current()
        if task is not None and not hasattr(self.config, "workerinput"):
            shutil.rmtree(Path(task["result"], "once"), ignore_errors=True)


def shared(config: Any) -> Path:
    """The folder that all processes of a run have in common, and no other run."""
    task = tasks.current()
    if task is not None:
        return Path(task["result"], "once")
    own: Path = config._tmp_path_factory.getbasetemp()  # noqa: SLF001 - what the fixture of that name is
    return (own.parent if hasattr(config, "workerinput") else own) / "once"


def file_name(name: str) -> str:
    """A name for a file, another one for each name of a value."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:80]
    return plain if plain == name else f"{plain}-{hashlib.sha256(ascii(name).encode()).hexdigest()[:16]}"


def alive(worker: str) -> bool:
    """Whether the process of a worker's name is there."""
    pid, _, start = worker.partition("-")
    return registered.alive(int(pid), start)
