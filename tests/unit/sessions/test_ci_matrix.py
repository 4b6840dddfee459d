"""From lanes and the table of sessions to a matrix."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from noxlib.config.detect import load_project
from noxlib.config.lanes import Lane
from noxlib.errors import UsageError
from noxlib.sessions import ci_matrix
from noxlib.sessions.context import Context

STEPS = {"unit": ("3.10", "3.11"), "integration": ("3.10",), "lint": ()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "a"\nversion = "1"\n[tool.noxlib]\npythons = ["3.10"]\n'
    )
    return tmp_path


def sessions(folder: Path, lanes: tuple[Lane, ...], *names: str) -> list[str]:
    found = ci_matrix.of(load_project(folder), STEPS, lanes, names)
    return [f"{suite.session} {suite.arguments}".strip() for suite in suites(found)]


def suites(found: ci_matrix.Outputs) -> list[ci_matrix.Suite]:
    return [suite for testground in found.testgrounds.include for suite in testground.suites.include]


def test_a_project_without_integration_tests_gets_no_job_for_them(folder: Path) -> None:
    found = sessions(folder, ("basic", "extended"))
    assert found == ["unit-3.10 --no-build --coverage", "unit-3.11 --no-build --coverage"]


def test_the_extended_lane_has_the_extended_level(folder: Path) -> None:
    (folder / "tests" / "integration").mkdir(parents=True)
    assert sessions(folder, ("basic", "extended")) == [
        "unit-3.10 --no-build --coverage",
        "integration-3.10 --no-build --level basic",
        "integration-3.10 --no-build --level extended",
        "unit-3.11 --no-build --coverage",
    ]


def test_a_step_that_is_named_is_taken_and_no_other(folder: Path) -> None:
    assert sessions(folder, ("basic",), "integration", "lint") == ["integration-3.10 --no-build --level basic", "lint"]


def test_a_step_that_is_not_registered_is_in_no_matrix(folder: Path) -> None:
    (folder / "test.sh").touch()
    assert sessions(folder, ("basic",)) == ["unit-3.10 --no-build --coverage", "unit-3.11 --no-build --coverage"]


@pytest.mark.parametrize(("configured", "python"), [("", "3.10"), ('[tool.noxlib.script]\npython = "3.9"\n', "3.9")])
def test_a_session_without_a_python_is_given_that_of_its_testground(folder: Path, configured: str, python: str) -> None:
    (folder / "test.sh").touch()
    with (folder / "pyproject.toml").open("a") as file:
        file.write(configured)
    found = ci_matrix.of(load_project(folder), {"script": ()}, ("basic",), ())
    with_suites = [ground for ground in found.testgrounds.include if ground.suites.include]
    assert [(ground.python, ground.suites.include[0].session) for ground in with_suites] == [(python, "script")]


def test_each_python_has_its_own_suites_and_waits_for_no_other(folder: Path) -> None:
    (folder / "tests" / "integration").mkdir(parents=True)
    found = ci_matrix.of(load_project(folder), STEPS, ("basic",), ())
    assert {
        ground.python: [suite.session for suite in ground.suites.include] for ground in found.testgrounds.include
    } == {
        "3.10": ["unit-3.10", "integration-3.10"],
        "3.11": ["unit-3.11"],
    }


def test_each_platform_is_built_and_tested_on_a_machine_of_its_own(folder: Path) -> None:
    with (folder / "pyproject.toml").open("a") as file:
        file.write('platforms = ["linux/amd64", "linux/arm64"]\n')
    (ground, _) = ci_matrix.of(load_project(folder), STEPS, ("basic",), ("unit",)).testgrounds.include
    runners = [("amd64", "ubuntu-24.04"), ("arm64", "ubuntu-24.04-arm")]
    assert [(machine.architecture, machine.runner) for machine in ground.machines.include] == runners
    assert [(suite.architecture, suite.runner) for suite in ground.suites.include] == runners
    assert (ground.tested, ground.index) == (True, True)


def test_a_testground_without_a_suite_is_built_all_the_same(folder: Path) -> None:
    (ground,) = ci_matrix.of(load_project(folder), {"lint": ()}, ("basic",), ()).testgrounds.include
    assert (ground.python, ground.suites.include, ground.tested, ground.index) == ("3.10", (), False, False)


def test_without_a_lane_there_is_nothing_to_do(folder: Path) -> None:
    found = ci_matrix.of(load_project(folder), STEPS, (), ())
    assert (found.lanes, found.checks, found.testgrounds.include) == ((), (), ())


def test_the_cloud_lane_is_nothing_else(folder: Path) -> None:
    (folder / "tests" / "integration").mkdir(parents=True)
    assert sessions(folder, ("cloud",)) == ["integration-3.10 --no-build --env-config cloud-hpc"]


def test_an_unknown_step_is_refused_with_those_that_there_are(folder: Path) -> None:
    with pytest.raises(UsageError) as caught:
        sessions(folder, ("basic",), "untit")
    assert str(caught.value) == ("ci_matrix: there is no step 'untit'\n  the steps are integration, lint, unit")
    with pytest.raises(UsageError) as caught:
        sessions(folder, ("basic",), "unit-3.10")
    assert caught.value.todo == "name unit, without a Python"


@pytest.mark.parametrize(("seconds", "minutes"), [(60, 11), (3600, 70), (90_000, 360)])
def test_a_job_lives_a_little_longer_than_its_suite(folder: Path, seconds: int, minutes: int) -> None:
    with (folder / "pyproject.toml").open("a") as file:
        file.write(f"[tool.noxlib.unit]\ntimeout = {seconds}\n")
    found = ci_matrix.of(load_project(folder), STEPS, ("basic",), ("unit",))
    assert {suite.minutes for suite in suites(found)} == {minutes}


def test_only_what_the_project_configures_is_checked(folder: Path) -> None:
    steps = {**STEPS, "types": (), "docs": ()}
    assert ci_matrix.of(load_project(folder), steps, ("basic",), ()).checks == ("lint",)
    (folder / "mypy.ini").touch()
    (folder / "mkdocs.yml").touch()
    assert ci_matrix.of(load_project(folder), steps, ("basic",), ()).checks == ("lint", "types", "docs")


def test_outputs_are_lines_of_json(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "outputs"
    file.write_text("before=1\n")
    monkeypatch.setenv("GITHUB_OUTPUT", str(file))
    monkeypatch.setattr(ci_matrix, "table", lambda: STEPS)
    for name in ("GITHUB_EVENT_NAME", "GITHUB_EVENT_PATH"):
        monkeypatch.delenv(name, raising=False)
    ci_matrix.run(Context("ci_matrix", "ci_matrix", "", "", folder, ("--github-output", "unit")))
    lines = dict(line.split("=", 1) for line in file.read_text().splitlines())
    assert (json.loads(lines["lanes"]), json.loads(lines["checks"])) == (["basic"], ["lint"])
    grounds = json.loads(lines["testgrounds"])["include"]
    assert [ground["python"] for ground in grounds] == ["3.10", "3.11"]
    assert grounds[0]["suites"]["include"][0]["session"] == "unit-3.10"


def test_outputs_without_a_file_for_them_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    monkeypatch.setattr(ci_matrix, "table", lambda: STEPS)
    with pytest.raises(UsageError, match="GITHUB_OUTPUT names no file"):
        ci_matrix.run(Context("ci_matrix", "ci_matrix", "", "", folder, ("--github-output",)))


def test_a_file_for_outputs_that_cannot_be_written_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_OUTPUT", str(folder))
    monkeypatch.setattr(ci_matrix, "table", lambda: STEPS)
    with pytest.raises(UsageError, match="cannot be written"):
        ci_matrix.run(Context("ci_matrix", "ci_matrix", "", "", folder, ("--github-output",)))


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff"])
def test_an_event_that_cannot_be_read_leaves_the_decision_to_the_variables(folder: Path, content: bytes | None) -> None:
    event = folder / "event.json"
    if content is not None:
        event.write_bytes(content)
    found = ci_matrix.asked(folder, {"GITHUB_EVENT_NAME": "schedule", "GITHUB_EVENT_PATH": str(event)})
    assert found.name == "schedule"


def test_a_commit_that_is_none_is_not_handed_to_git(folder: Path) -> None:
    event = folder / "event.json"
    event.write_bytes(msgspec.json.encode({"pull_request": {"head": {"sha": "--output=/tmp/x"}}}))
    environ = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event)}
    assert ci_matrix.asked(folder, environ).message == ""
