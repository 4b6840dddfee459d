"""A warm ``unit-X`` in a virtual environment, against pytest by the same environment's interpreter."""

from __future__ import annotations

from pathlib import Path

from benchmarks.figures import Result, differences, figure
from benchmarks.projects import project, text
from benchmarks.sampling import Failed, empty_session, in_turns, timed
from noxlib.ledger import state_folder

LIMIT = 0.2
PYTHON = "3.10"


def run(rounds: int) -> list[Result]:
    """Measure with lock, environment and prepared files unchanged; neither writes byte code, as in a container."""
    with project("bench_venv") as ours:
        ours.warm_up(PYTHON, "venv")
        workspace = Path(text(ours.latest("plan.json"), "task", "workspace"))
        bare = (str(_interpreter(workspace)), "-m", "pytest")
        quiet = {"PYTHONDONTWRITEBYTECODE": "1"}
        calls = {
            "noxlib": lambda: ours.unit(PYTHON, "venv"),
            "bare": lambda: timed(bare, workspace, quiet),
            "empty nox session": empty_session,
        }
        values = in_turns(calls, rounds)
    return [
        Result(
            name="venv",
            target=f"warm unit-{PYTHON} in a virtual environment - bare pytest there",
            limit=LIMIT,
            unit="s",
            measured=figure(differences(values["noxlib"], values["bare"])),
            details={name: figure(seconds) for name, seconds in values.items()},
        )
    ]


def _interpreter(workspace: Path) -> Path:
    """The Python of the environment whose path leads to that workspace's site folder, and that has pytest."""
    for pth in (state_folder() / "environments").glob("*/lib/*/site-packages/noxlib.pth"):
        if str(workspace.parent) in pth.read_text("utf-8") and (pth.parent / "pytest").is_dir():
            return pth.parents[3] / "bin" / "python"
    raise Failed(f"there is no environment for {workspace}")
