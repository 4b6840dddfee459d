"""One project, on one Python, in one place: run, compare with plain, keep the comparison for the docs.

``python -m tests.real.measure [NAME…]`` runs the whole matrix of these projects (default: all) one after the other.
"""

from __future__ import annotations

import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from noxlib.ledger import state_folder
from tests.real import flow, plain, sdists
from tests.real.outcomes import Comparison, Outcomes, count, differences, explanation, failing
from tests.real.table import RealProject, projects

PLACES = ("container", "venv")


_known: dict[tuple[str, str], Outcomes] = {}


def plain_outcomes(project: RealProject, python: str) -> Outcomes:
    """The project's own recipe, once a process."""
    if (project.name, python) not in _known:
        _known[project.name, python] = _plain(project, python)
    return _known[project.name, python]


def _plain(project: RealProject, python: str) -> Outcomes:
    with tempfile.TemporaryDirectory(prefix="real-plain-") as folder:
        checkout = sdists.unpack(project, state_folder() / "sdists", Path(folder, "checkout"))
        scratch = Path(folder, "scratch")
        scratch.mkdir()
        return plain.run(project, python, checkout, scratch)


def compare(project: RealProject, python: str, place: str) -> Comparison:
    """Run noxlib's session, compare with the plain environment, and keep the result.

    Raises:
        flow.NoRecordError: No suite ran.
    """
    with tempfile.TemporaryDirectory(prefix="real-") as folder:
        checkout = sdists.unpack(project, state_folder() / "sdists", Path(folder, "checkout"))
        start = time.monotonic()
        found = flow.run(project, python, place, checkout)
        seconds = time.monotonic() - start
    return _keep(_comparison(project, python, place, found, seconds))


def _comparison(project: RealProject, python: str, place: str, found: Outcomes, seconds: float) -> Comparison:
    all_different = differences(plain_outcomes(project, python), found)
    explained = {test: explanation(project, test, place) for test in all_different}
    return Comparison(
        project.name,
        project.version,
        python,
        place,
        datetime.now(timezone.utc).date().isoformat(),
        len(found.tests),
        count(found.tests),
        {test: pair for test, pair in all_different.items() if not explained[test]},
        {test: reason for test, reason in explained.items() if reason},
        failing(found.tests),
        round(seconds, 1),
    )


def kept() -> Path:
    """The folder of the comparisons, one JSON file each."""
    return state_folder() / "real-projects"


def _keep(comparison: Comparison) -> Comparison:
    kept().mkdir(parents=True, exist_ok=True)
    name = f"{comparison.project}-{comparison.version}-{comparison.python}-{comparison.place}.json"
    (kept() / name).write_bytes(msgspec.json.encode(comparison))
    return comparison


def main(names: list[str]) -> int:
    """Run the matrix and print a line for each; 1 if anything differs without a reason."""
    wrong = 0
    for project in projects():
        if names and project.name not in names:
            continue
        for python in project.pythons:
            wrong += sum(not _one(project, python, place) for place in PLACES)
    return 1 if wrong else 0


def _one(project: RealProject, python: str, place: str) -> bool:
    title = f"{project.name} {project.version} on {python} in {place}"
    try:
        found = compare(project, python, place)
    except flow.NoRecordError as error:
        print(f"{title}: no record\n{error}", flush=True)
        return False
    print(f"{title}: {found.tests} tests, {found.outcomes}, {found.seconds} s", flush=True)
    for test, (before, after) in found.different.items():
        print(f"  {test}: {before} in plain, {after} in {place}", flush=True)
    return not found.different


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
