"""Runs of ``inside/run.py`` on copies of the projects in tests/projects, with this interpreter."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import pytest

REPOSITORY = Path(__file__).parents[3]


class Run:
    """What a run of ``run.py`` left behind."""

    def __init__(self, folder: Path, process: subprocess.Popen[str]) -> None:
        self.folder = folder
        self.workspace = folder / "workspace"
        self.process = process

    def finish(self) -> Run:
        self.output, _ = self.process.communicate(timeout=600)
        self.code = self.process.returncode
        return self

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result/result.json").read_text(encoding="utf-8"))
        return found

    @property
    def counts(self) -> dict[str, int]:
        return {name: count for name, count in self.result["counts"].items() if count}

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = (self.folder / "result/report.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


StartRun = Callable[..., Run]

#: For Pythons that begin with it: no time passes but the hours that a test says, for no process beside that test's.
HOURS = """
import time
began, time.hours = time.monotonic(), 0
time.monotonic = lambda: began + 3600 * time.hours
"""


@pytest.fixture
def hours(tmp_path: Path) -> dict[str, str]:
    """Variables of a run whose tests say when their time is up: a busy machine takes nothing of it."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(HOURS)
    return {"PYTHONPATH": f"{tmp_path}/clock"}


#: For Pythons that begin with it: an hour later, once a file is there.
CLOCK = """
import os, time
clock, later = time.monotonic, os.environ["LATER"]
time.monotonic = lambda: clock() + 3600 * os.path.exists(later)
"""


@pytest.fixture
def later(tmp_path: Path) -> dict[str, str]:
    """Variables of a run whose time is up when a test of its own says so: how fast it gets there is then no matter."""
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(CLOCK)
    return {"LATER": str(tmp_path / "later"), "PYTHONPATH": f"{tmp_path}/clock:{tmp_path}/workspace/src"}


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A folder in which Pythons share what they compile: most of a short run's time would be compiling."""
    return str(tmp_path_factory.mktemp("bytecode"))


@pytest.fixture
def start(tmp_path: Path, bytecode: str) -> StartRun:
    """Start ``run.py`` on a project; keywords overwrite entries of its task."""

    def start_run(project: str, *arguments: str, environment: dict[str, str] | None = None, **task: Any) -> Run:
        shutil.copytree(REPOSITORY / "tests/projects" / project, tmp_path / "workspace")
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib/noxlib_inside").symlink_to(REPOSITORY / "noxlib/inside")
        whole = {
            "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
            "workspace": str(tmp_path / "workspace"),
            "result": str(tmp_path / "result"),
            "arguments": ["-p", "no:cacheprovider", *arguments],
            "import_roots": [str(tmp_path / "workspace")],
            "timeout": 600,
            **task,
        }
        (tmp_path / "task.json").write_text(json.dumps(whole))
        command = [sys.executable, str(tmp_path / "lib/noxlib_inside/run.py"), str(tmp_path / "task.json")]
        # The plugins of this environment cost more than a run does.
        variables = {
            **os.environ,
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPYCACHEPREFIX": bytecode,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONPATH": str(tmp_path / "workspace/src"),
            **(environment or {}),
        }
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "stdin": subprocess.DEVNULL}
        return Run(tmp_path, subprocess.Popen(command, env=variables, text=True, **streams))

    return start_run


@pytest.fixture
def run(start: StartRun) -> StartRun:
    """Start ``run.py`` on a project and wait for its end."""
    return lambda *arguments, **task: start(*arguments, **task).finish()
