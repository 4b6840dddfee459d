"""The table of docs/real-projects.md, from the comparisons that tests.real.measure kept.

``python -m tests.real.report`` renews the page.
"""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec

from tests.real.measure import PLACES, kept
from tests.real.outcomes import Comparison
from tests.real.table import RealProject, projects

PAGE = Path(__file__).parents[2] / "docs" / "real-projects.md"
HEAD = """\
# Real projects

Sdists that carry their tests, as their authors published them and unchanged but for two files: the noxfile of two
lines, and a `noxlib.toml` with the lines below. Each is fetched from the package index by version and SHA-256 when the
tests run (`tests/real/table.toml`; `pytest -m projects tests/engines/test_real_projects.py`).

The suite runs in three ways on one machine: by the project's own recipe in a plain virtual environment, by
`nox -s unit-X` in a container, and by `NOXLIB_PLACE=venv nox -s unit-X`. Compared is the outcome of every test by its
id (passed, failed, error, skipped, expected failure), the exit code, and the modules that skip themselves. *Equal*
means that none differs; where a test of the project fails, it fails in all three.

`exclude_newer` lies a few days after each release, so that a suite meets the dependencies that its authors knew.
"""
TAIL = """
This page is written by `python -m tests.real.report` after `python -m tests.real.measure`, which runs the whole
matrix. A few rows of it run in the lane `ci`, all of them in the lane `nightly`.
"""


def comparisons(project: RealProject) -> list[Comparison]:
    """What was kept of this version, in the order of Pythons and places; what was never run is absent."""
    names = (f"{project.name}-{project.version}-{python}-{place}" for python in project.pythons for place in PLACES)
    files = (kept() / f"{name}.json" for name in names)
    return [msgspec.json.decode(file.read_bytes(), type=Comparison) for file in files if file.exists()]


def page() -> str:
    """The whole page."""
    rows = [(project, comparisons(project)) for project in projects()]
    parts = [HEAD, _summary(rows), _table(rows), _failures(rows), _differences(rows), _configurations(rows), TAIL]
    return "\n".join(part for part in parts if part)


def _summary(rows: list[tuple[RealProject, list[Comparison]]]) -> str:
    runs = [run for _, found in rows for run in found]
    tests = sum(max((run.tests for run in found), default=0) for _, found in rows)
    wanted = sum(len(project.pythons) * len(PLACES) for project, _ in rows)
    equal = sum(not run.different for run in runs)
    dates = sorted(run.date for run in runs)
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    return (
        f"Last run {when}: {len(rows)} projects with {tests:,} tests together (each project counted once),\n"
        f"{len(runs)} of {wanted} combinations of project, Python and place run, {equal} of them equal to plain.\n"
    )


def _table(rows: list[tuple[RealProject, list[Comparison]]]) -> str:
    lines = [
        "| project | back end | lines | tests | upstream fails | Pythons: container = venv = plain? |",
        "|---|---|---|---|---|---|",
    ]
    for project, found in rows:
        name = f"{project.name} {project.version}" + (" \\*" if project.late else "")
        failed = _range(run.outcomes.get("failed", 0) + run.outcomes.get("error", 0) for run in found)
        counts = _range(run.tests for run in found)
        pythons = "; ".join(_equality(project, python, found) for python in project.pythons)
        lines.append(f"| {name} | {project.back_end} | {len(project.lines)} | {counts} | {failed} | {pythons} |")
    return "\n".join([*lines, "", "\\* chosen after the code was done.", ""])


def _range(numbers: object) -> str:
    found = sorted(set(numbers))  # type: ignore[call-overload]
    return "-" if not found else str(found[0]) if len(found) == 1 else f"{found[0]} to {found[-1]}"


def _equality(project: RealProject, python: str, found: list[Comparison]) -> str:
    runs = {run.place: run for run in found if run.python == python}
    if len(runs) < len(PLACES):
        return f"{python} not run"
    unequal = [f"{len(run.different)} differ in {place}" for place, run in runs.items() if run.different]
    return f"{python} {', '.join(unequal) or 'equal'}"


def _configurations(rows: list[tuple[RealProject, list[Comparison]]]) -> str:
    said = "All that noxlib was told of each. Where this selects tests or sets a variable, plain gets the same."
    parts = ["## Configuration", "", said, "", "```toml"]
    for project, _ in rows:
        parts += [f"# {project.name} {project.version}", *project.lines, ""]
    return "\n".join([*parts[:-1], "```", ""])


def _failures(rows: list[tuple[RealProject, list[Comparison]]]) -> str:
    parts = ["## What fails upstream", "", "These fail in the plain environment as well, unless listed below.", ""]
    for project, found in rows:
        where: dict[str, set[str]] = {}
        for run in found:
            for test in run.failing:
                where.setdefault(test, set()).add(run.python)
        parts += [
            f"- {project.name}: `{test}` on {', '.join(python for python in project.pythons if python in pythons)}"
            for test, pythons in sorted(where.items())
        ]
    return "\n".join([*parts, ""])


def _differences(rows: list[tuple[RealProject, list[Comparison]]]) -> str:
    parts = ["## Differences and their reasons", ""]
    for project, found in rows:
        for run in found:
            title = f"{project.name} on {run.python} in {run.place}"
            parts += [f"- {title}: `{test}`: {reason}" for test, reason in run.explained.items()]
            parts += [f"- {title}: `{test}`: {a} in plain, {b} here" for test, (a, b) in run.different.items()]
    return "\n".join([*parts, ""] if len(parts) > 2 else [*parts, "None.", ""])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
