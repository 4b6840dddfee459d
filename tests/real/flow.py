"""noxlib's way: a noxfile of two lines, the table's configuration, ``nox -s unit-X`` in one place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.real import person
from tests.real.outcomes import Outcomes

if TYPE_CHECKING:
    from tests.real.table import RealProject

NOXFILE = "import noxlib\nnoxlib.register()\n"
SECONDS = 2400.0


class NoRecordError(Exception):
    """The session left no record of a suite that ran; the text is the end of its output."""


def run(project: RealProject, python: str, place: str, checkout: Path) -> Outcomes:
    """Run the session in ``checkout``, which is changed by two files, and read what it recorded.

    Raises:
        NoRecordError: No suite ran.
    """
    (checkout / "noxfile.py").write_text(NOXFILE, encoding="utf-8")
    (checkout / "noxlib.toml").write_text("\n".join((*project.lines, "")), encoding="utf-8")
    # Not `python -m nox`: that puts the checkout on sys.path, and some of these projects are needed by nox itself.
    argv = [str(Path(sys.executable).with_name("nox")), "-s", f"unit-{python}"]
    log = checkout.parent / f"{place}.log"
    with log.open("wb") as stream:
        subprocess.run(
            argv,
            cwd=checkout,
            env={**_environment(), "PATH": person.path(), "NOXLIB_PLACE": place},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=SECONDS,
        )
    return _read(checkout, place, log)


def _environment() -> dict[str, str]:
    """This process' own, without what pytest, nox and a virtual environment around it left there."""
    foreign = ("PYTEST_", "NOX_", "VIRTUAL_ENV", "COV_CORE_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {name: value for name, value in kept.items() if not name.startswith("NOXLIB_") or name.endswith("_DIR")}


def _read(checkout: Path, place: str, log: Path) -> Outcomes:
    said = log.read_text(encoding="utf-8", errors="replace")[-4000:]
    records = sorted((checkout / ".noxlib" / "runs").glob("*/record.json"))
    if not records:
        raise NoRecordError(said)
    record = json.loads(records[-1].read_bytes())
    report = records[-1].with_name("report.jsonl")
    ran = record["place"] is not None and record["place"]["name"] == place and report.exists()
    if not ran or record["outcome"] not in ("passed", "failed"):
        raise NoRecordError(f"{record['outcome']}: {record.get('message')}\n{said}")
    tests = _tests(report)
    skipped = list(tests.values()).count("skipped")
    return Outcomes(tests, record["exit_code"], record["counts"]["skipped"] - skipped)


def _tests(report: Path) -> dict[str, str]:
    """Outcome by test id; a module that could not be collected counts as an error."""
    tests: dict[str, str] = {}
    for line in report.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "end":
            tests[event["id"]] = event["outcome"]
        elif event["event"] == "failure" and event["phase"] == "collect":
            tests[event["id"]] = "error"
    return tests
