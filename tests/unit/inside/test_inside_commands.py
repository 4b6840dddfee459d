"""Commands are timed as tests, and what they took is written in the form of pytest-benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from .conftest import Run, StartRun

COMMANDS = Path(__file__).parents[3] / "noxlib" / "inside" / "commands.py"
PLAIN = ("-c", "/dev/null", "--rootdir", "/", "-p", "no:cacheprovider")


def timed(start: StartRun, tmp_path: Path, *commands: list[str]) -> Run:
    (tmp_path / "commands.json").write_text(json.dumps(commands))
    return start("flat", arguments=[*PLAIN, str(COMMANDS)]).finish()


def times(run: Run) -> dict[str, float]:
    found = json.loads((run.folder / "result" / "benchmark.json").read_text())
    return {one["fullname"]: one["stats"]["median"] for one in found["benchmarks"]}


def test_each_command_is_a_test_with_its_time(start: StartRun, tmp_path: Path) -> None:
    run = timed(start, tmp_path, [sys.executable, "-c", "import time; time.sleep(0.2)"], ["true"])
    assert (run.code, run.counts) == (0, {"passed": 2}), run.output
    assert list(times(run)) == [f"{sys.executable} -c 'import time; time.sleep(0.2)'", "true"]
    slept, done = times(run).values()
    assert slept >= 0.2  # at least, by the definition of sleep
    assert done > 0


def test_a_command_that_fails_is_a_test_that_fails(start: StartRun, tmp_path: Path) -> None:
    run = timed(start, tmp_path, [sys.executable, "-c", "raise SystemExit(3)"])
    assert (run.code, run.counts) == (1, {"failed": 1})
    assert "it ended with 3" in run.result["failures"][0]["message"]


def test_a_command_that_is_not_there_is_a_test_that_fails(start: StartRun, tmp_path: Path) -> None:
    run = timed(start, tmp_path, ["no-such-program"])
    assert (run.code, run.counts) == (1, {"failed": 1})


def test_commands_run_in_the_workspace_and_no_setting_of_the_project_has_a_part(
    start: StartRun, tmp_path: Path
) -> None:
    run = timed(start, tmp_path, ["test", "-f", "pyproject.toml"])
    assert run.counts == {"passed": 1}, run.output
    assert "configfile: dev/null" in run.output
