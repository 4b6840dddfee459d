"""Beside the tests, where nobody waits for them: a test that ends its process does not take those after it along.

Where somebody waits, ``noxlib.sessions.resuming`` does the same from there: it outlives the place as well.
"""

from __future__ import annotations

import json
import os
import signal
import time
from typing import TYPE_CHECKING, Any

from . import report, tasks

if TYPE_CHECKING:
    from collections.abc import Mapping

PROCESSES = 20  #: of one task: a suite in which every test crashes has an end
BESIDE = "resumed.json"  #: the task of a new process, beside the first one's: a job may be run again from its start
SHOWN = 3  #: tests that a message names
_SIGNAL = 128
_STOPPED = (_SIGNAL + signal.SIGINT, _SIGNAL + signal.SIGTERM)
_DEADLY = (signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS)


class Rest:
    """The order of a task, and one after the other those for the rest of its tests. Raises OSError, ValueError.

    Args:
        order: As ``supervise.py`` has it, with a ``task``.
    """

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.task = tasks.read(order["task"])
        self.end = time.monotonic() + self.task["timeout"]
        self.spare = max(0.0, order["timeout"] - self.task["timeout"])  # the place's: a result is still written
        self.processes = 1

    def after(self, exit_: Mapping[str, Any]) -> dict[str, Any] | None:
        """The order for a new process; None where no test ended the one before, or where it is enough."""
        crash = None if self.task.get("script") else crash_of(exit_, self.task["result"])
        left = self.end - time.monotonic()
        if crash is None or left <= 0 or self.processes == PROCESSES:
            return None
        self.processes += 1
        try:
            path = self.write({**self.task, "resume": crash, "timeout": left})
        except OSError as error:
            print(f"noxlib: the rest of the tests cannot go on: {error}", flush=True)
            return None
        print(f"noxlib: {crash['message']}; the rest goes on in a new one", flush=True)
        if self.processes == PROCESSES:
            said = f"{PROCESSES - 1} tests have ended their process: where another does, the rest is not run"
            print(f"noxlib: {said}", flush=True)
        argv = [path if word == self.order["task"] else word for word in self.order["argv"]]
        return {**self.order, "argv": argv, "timeout": left + self.spare}

    def write(self, task: Mapping[str, Any]) -> str:
        """Write the task of a new process; its path. Raises OSError."""
        path = os.path.join(os.path.dirname(self.order["task"]), BESIDE)
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(task, stream)
        return path


def rest_of(order: dict[str, Any]) -> Rest | None:
    """The rest of an order's task; None where that cannot be read, which the command itself will tell."""
    try:
        return Rest(order)
    except (OSError, ValueError):
        return None


def crash_of(exit_: Mapping[str, Any], result: str) -> dict[str, str] | None:
    """How a test ended its process; None where that wrote its result, or something else ended it.

    Args:
        exit_: ``code``, ``cause`` and perhaps ``oom``; ``noxlib.records.outcome`` judges it in the same way.
        result: The folder.
    """
    path = os.path.join(result, "report.jsonl")
    ours = exit_["cause"] not in ("exit", "signal") or exit_.get("oom") or exit_["code"] in _STOPPED
    if ours or os.path.exists(os.path.join(result, "result.json")) or not os.path.isfile(path):
        return None
    try:
        running = list(report.read(path).running)
    except (OSError, LookupError, TypeError, ValueError):  # no report of ours: tests may write there, too
        return None
    if not running:
        return None
    more = f" and {len(running) - SHOWN} more" if len(running) > SHOWN else ""
    message = f"the tests' process {described(exit_)} while {', '.join(running[:SHOWN])}{more} ran"
    return {"cause": "killed" if exit_["code"] == _SIGNAL + signal.SIGKILL else "crashed", "message": message}


def described(exit_: Mapping[str, Any]) -> str:
    """``ended by SIGSEGV``, ``ended with exit code 3``."""
    number = exit_["code"] - _SIGNAL
    if exit_["cause"] != "signal" and number not in _DEADLY:
        return f"ended with exit code {exit_['code']}"
    names = {member.value: member.name for member in signal.Signals}
    return f"ended by {names.get(number, f'signal {number}')}"
