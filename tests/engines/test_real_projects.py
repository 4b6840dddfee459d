"""Projects that nobody here wrote: container, virtual environment and their own plain recipe give the same outcomes."""

from __future__ import annotations

import pytest

from tests.real import measure
from tests.real.measure import PLACES
from tests.real.outcomes import Outcomes, differences
from tests.real.table import MOST_LINES, Difference, RealProject, projects

pytestmark = [pytest.mark.docker, pytest.mark.projects]

#: What the lane ci runs, each row beside its plain environment: minutes in all. The nightly lane runs every one.
CI = {
    ("click", "3.9", "container"),
    ("click", "3.9", "venv"),
    ("platformdirs", "3.11", "container"),
    ("pluggy", "3.10", "container"),
    ("MarkupSafe", "3.12", "container"),
    ("MarkupSafe", "3.12", "venv"),
    ("tomlkit", "3.10", "container"),
    ("Levenshtein", "3.11", "container"),
    ("h11", "3.9", "venv"),
    ("jinja2", "3.12", "container"),
}


def matrix() -> list[object]:
    """Every project, Python and place; what the lane ci leaves out is marked ``nightly``."""
    rows: list[object] = []
    for project in projects():
        for python in project.pythons:
            for place in PLACES:
                marks = () if (project.name, python, place) in CI else (pytest.mark.nightly,)
                rows.append(pytest.param(project, python, place, marks=marks, id=f"{project.name}-{python}-{place}"))
    return rows


@pytest.mark.timeout(3600)
@pytest.mark.parametrize(("project", "python", "place"), matrix())
def test_a_place_gives_the_outcome_of_the_plain_recipe_for_each_test(
    project: RealProject, python: str, place: str
) -> None:
    found = measure.compare(project, python, place)
    assert found.different == {}
    assert found.tests >= project.tests


def test_whatever_is_not_equal_is_a_difference() -> None:
    plain = Outcomes({"same": "failed", "changed": "passed", "lost": "skipped"}, exit_code=1)
    place = Outcomes({"same": "failed", "changed": "failed", "new": "passed"}, exit_code=0, skipped_modules=2)
    assert differences(plain, place) == {
        "changed": ("passed", "failed"),
        "lost": ("skipped", "absent"),
        "new": ("absent", "passed"),
        "<exit_code>": ("1", "0"),
        "<skipped_modules>": ("0", "2"),
    }


def test_a_reason_holds_for_its_tests_and_its_places_only() -> None:
    entry = Difference("tests/test_a.py::*", "no display in a container", places=("container",))
    assert entry.explains("tests/test_a.py::test_window", "container")
    assert not entry.explains("tests/test_a.py::test_window", "venv")
    assert not entry.explains("tests/test_b.py::test_window", "container")


def test_the_table_holds_more_than_ten_thousand_tests_of_ten_projects() -> None:
    assert len(projects()) >= 10
    assert sum(project.tests for project in projects()) > 10_000
    assert sum(project.late for project in projects()) >= 2


@pytest.mark.parametrize("project", projects(), ids=lambda project: project.name)
def test_a_project_needs_at_most_ten_lines_of_configuration(project: RealProject) -> None:
    assert len(project.lines) <= MOST_LINES


def test_what_the_lane_runs_is_in_the_table() -> None:
    every = {(project.name, python, place) for project in projects() for python in project.pythons for place in PLACES}
    assert every >= CI
