"""Commands timed as tests: pytest collects this file, one test each; the times go to ``benchmark.json``.

The commands stand in ``commands.json`` beside the task: a list of argument lists. What is written has the form of
pytest-benchmark, so that one reader takes both. A command that fails is a test that fails.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import tasks

if TYPE_CHECKING:
    import pytest

_times: dict[str, float] = {}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each command."""
    commands = json.loads(_task_file().with_name("commands.json").read_bytes())
    metafunc.parametrize("command", commands, ids=[_shown(command) for command in commands])


def test_command(command: list[str]) -> None:
    """It ends well; the wall clock's time from its start to its end is noted."""
    began = time.perf_counter()
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, check=False)
    _times[shlex.join(command)] = time.perf_counter() - began
    assert ended.returncode == 0, f"it ended with {ended.returncode}"


def teardown_module() -> None:
    """Write what was measured."""
    found = [{"fullname": name, "stats": {"median": seconds}} for name, seconds in _times.items()]
    path = Path(_task()["result"], "benchmark.json")
    path.write_text(json.dumps({"benchmarks": found}), encoding="utf-8")


def _task_file() -> Path:
    return Path(os.environ["NOXLIB_TASK"])


def _task() -> dict[str, Any]:
    return tasks.read(str(_task_file()))


def _shown(command: list[str]) -> str:
    """A command as the end of a test's id."""
    return ascii(shlex.join(command))[1:-1]
