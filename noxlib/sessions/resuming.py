"""A test that ends its own process (a crash in C, ``os._exit``, a kill) does not take the tests after it along.

What it had done stays, it counts as crashed once, and a new process runs the rest, in the same host and in what is left
of the suite's time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

import msgspec

from noxlib import atomic
from noxlib.places.host import Command, Exit, Host
from noxlib.plan import Task
from noxlib.records import outcome
from noxlib.records import result as results
from noxlib.sessions.context import say

PROCESSES = 20  #: of one task: a suite in which every test crashes has an end
_OWN_CODES = range(6)  # pytest's
_CAUSES = {"killed", "crashed"}  # what a test can do to its process; a limit or a signal of ours is none of it


def run(host: Host, command: Command, folder: Path) -> Exit:
    """Have a host carry out the task of a folder, in as many processes as it takes; the last one's exit.

    Args:
        host: Entered; it has the task.
        command: What it is asked to execute.
        folder: Holds ``task.json``, and gets ``result``.
    """
    task = atomic.from_json((folder / "task.json").read_bytes(), Task)
    end = time.monotonic() + task.timeout
    spare = max(0.0, command.limits.timeout - task.timeout)  # the place's, so that a result is still written
    for _ in range(PROCESSES - 1):
        exit_ = host.run(command)
        crash = None if task.interactive or task.script else _crash(host, exit_, folder)
        left = end - time.monotonic()
        if crash is None or left <= 0:
            return exit_
        say(f"noxlib: {crash['message']}; the rest goes on in a new one")
        limits = msgspec.structs.replace(command.limits, timeout=left + spare)
        task = msgspec.structs.replace(task, resume=crash, timeout=left)
        command = msgspec.structs.replace(command, limits=limits)
        atomic.write(folder / "task.json", msgspec.json.encode(task), mode=0o644)
        host.put(folder / "task.json", "task.json")
    say(f"noxlib: {PROCESSES - 1} tests have ended their process: where another does, the rest is not run")
    return host.run(command)


def _crash(host: Host, exit_: Exit, folder: Path) -> Optional[dict[str, str]]:
    """How a test ended its process; None where that wrote its result, or something else ended it."""
    if exit_.code in _OWN_CODES and not (folder / "result" / "report.jsonl").exists():
        return None  # of a machine elsewhere the result would be carried twice
    host.get("result", folder / "result")
    return crash_of(exit_, results.result_folder(folder))


def crash_of(exit_: Exit, result: Path) -> Optional[dict[str, str]]:
    """The same of a result folder that is here. ``noxlib.inside.resuming`` judges so where nobody waits."""
    if results.read_result(result) is not None:
        return None
    progress = results.read_progress(result)
    verdict = outcome.judge(exit_, None, progress)
    if not (verdict.crashed and verdict.cause in _CAUSES and progress.running):
        return None
    return {"cause": verdict.cause or "", "message": verdict.message or ""}
