"""The plugin's own time: 5,000 empty tests under an environment, beside pytest alone, its JUnit and the leak report."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.figures import Result, figure, ratios
from benchmarks.sampling import in_turns, timed
from noxlib.config import profiles

if TYPE_CHECKING:
    from collections.abc import Callable

FILES, TESTS = 50, 100  #: tests in each file
INSIDE = Path(__file__).resolve().parents[1] / "noxlib" / "inside"
QUIET = ("-q", "-p", "no:cacheprovider")
NO_JUNIT = ("-p", "no:junitxml")
#: Nothing but pytest: what else is installed here is no part of the question.
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
LIMIT = 1.10


def run(rounds: int) -> list[Result]:
    """Measure all in turns. Both sides write no JUnit; JUnit and the leak report are told apart."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        _write_tests(here / "workspace")
        calls: dict[str, Callable[[], float]] = {
            "pytest": lambda: _pytest(here, *NO_JUNIT),
            "plugin": lambda: _inside(here, *NO_JUNIT),
            "pytest, JUnit": lambda: _pytest(here, f"--junitxml={here}/junit.xml"),
            "plugin, leaks": lambda: _inside(here, *NO_JUNIT, "--leaks=report"),
        }
        seconds = in_turns(calls, rounds)
    found = {name: figure(values) for name, values in seconds.items()}
    measured = figure(ratios(seconds["plugin"], seconds["pytest"]))
    return [Result("plugin", f"{FILES * TESTS} empty tests, by pytest alone", LIMIT, "x", measured, found)]


def _write_tests(workspace: Path) -> None:
    workspace.mkdir()
    (workspace / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for number in range(FILES):
        text = "\n\n".join(f"def test_{test}():\n    pass\n" for test in range(TESTS))
        (workspace / f"test_{number}.py").write_text(text, encoding="utf-8")


def _pytest(folder: Path, *words: str) -> float:
    return timed((sys.executable, "-m", "pytest", *QUIET, *words), folder / "workspace", ALONE)


def _inside(folder: Path, *words: str) -> float:
    """The same tests by ``inside/run.py``, as a place starts it."""
    with tempfile.TemporaryDirectory(dir=folder) as run_folder:
        scratch = Path(run_folder)
        (scratch / "lib").mkdir()
        (scratch / "lib" / "noxlib_inside").symlink_to(INSIDE)
        (scratch / "task.json").write_text(json.dumps(_task(folder, words)), encoding="utf-8")
        program = scratch / "lib" / "noxlib_inside" / "run.py"
        return timed((sys.executable, str(program), str(scratch / "task.json")), folder / "workspace", ALONE)


def _task(folder: Path, words: tuple[str, ...]) -> dict[str, Any]:
    profile = {**msgspec.to_builtins(profiles.defaults()["local"]), "test_timeout": 30.0}
    return {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "workspace": str(folder / "workspace"),
        "result": "result",
        "arguments": [*QUIET, *words],
        "timeout": 3600.0,
        "profile": profile,
    }
