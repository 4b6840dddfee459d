"""``nox -l`` with every session registered, against a bare noxfile with as many empty sessions."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

import msgspec

from benchmarks.figures import Result, figure, ratios
from benchmarks.projects import project
from benchmarks.sampling import base_environment, in_turns, nox, timed

LIMIT = 1.4
BARE = """\
import nox


def empty(session):
    \"\"\"An empty session.\"\"\"


for number in range({count}):
    nox.session(name=f"empty_{{number}}", venv_backend="none")(empty)
"""


def run(rounds: int) -> list[Result]:
    """Measure; a list is short, so that it gets more rounds."""
    with project("bench_list") as ours, tempfile.TemporaryDirectory() as folder:
        bare = Path(folder)
        (bare / "noxfile.py").write_text(BARE.format(count=_sessions(ours.root)), encoding="utf-8")
        calls = {"noxlib": lambda: timed(nox("-l"), ours.root), "bare": lambda: timed(nox("-l"), bare)}
        values = in_turns(calls, 2 * rounds)
    return [
        Result(
            name="list",
            target="nox -l, every session registered / as many empty sessions",
            limit=LIMIT,
            unit="x",
            measured=figure(ratios(values["noxlib"], values["bare"])),
            details={name: figure(seconds) for name, seconds in values.items()},
        )
    ]


def _sessions(root: Path) -> int:
    """How many sessions there are, the umbrellas among them."""
    output = subprocess.check_output(nox("-l", "--json"), cwd=root, env=base_environment(), stderr=subprocess.DEVNULL)
    return len(msgspec.json.decode(output, type=list))
