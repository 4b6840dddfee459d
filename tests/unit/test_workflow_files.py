"""Our workflows and those that a project gets: pinned, without rights that nobody needs, and each job run somewhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from noxlib.config import scaffold
from noxlib.steps import STEPS
from tests.engines.acting import EXECUTED

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
CALLED_ONLY = {"lifecycle", "python"}  #: that no event starts
WITH_THE_CALLERS_RIGHTS = {("lifecycle", "python"), ("python", "testground"), ("python", "index")}

each = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)


def read(text: str) -> dict[str, Any]:
    found = yaml.safe_load(text)
    found["on"] = found.pop(True)  # YAML 1.1 reads `on` so
    return dict(found)


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return dict(read(path.read_text(encoding="utf-8"))["jobs"])


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job.get("steps", ())]


def test_there_are_workflows_and_each_that_a_project_gets_calls_one_of_them() -> None:
    assert {path.stem for path in WORKFLOWS} == {*scaffold.WORKFLOWS, *CALLED_ONLY}


@each
def test_a_workflow_pins_each_action_by_a_whole_commit_and_names_its_version(path: Path) -> None:
    used = re.findall(r"uses: *(.+)", path.read_text(encoding="utf-8"))
    assert used
    own = r"\./\.github/workflows/\w+\.yml # zizmor: ignore\[self-repository\] .+"
    assert [
        action for action in used if not re.fullmatch(rf"[\w./-]+@[0-9a-f]{{40}} # v\d+(\.\d+)*|{own}", action)
    ] == []


def test_an_action_has_one_commit_in_all_workflows() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in WORKFLOWS)
    used = {re.sub(r"^([\w.-]+/[\w.-]+)[\w/.-]*(@.+)", r"\1\2", name) for name in re.findall(r"uses: (\S+@\S+)", text)}
    assert len(used) == len({name.partition("@")[0] for name in used})


@each
def test_a_job_has_no_permission_but_what_it_asks_for(path: Path) -> None:
    if path.stem not in CALLED_ONLY:
        assert read(path.read_text(encoding="utf-8"))["permissions"] == {}
    without = {(path.stem, name) for name, job in jobs(path).items() if "permissions" not in job}
    assert without <= WITH_THE_CALLERS_RIGHTS


@each
def test_what_an_event_starts_says_what_may_run_at_once(path: Path) -> None:
    """A called workflow has the caller's name, so one with the same group would wait for its own caller for ever."""
    assert ("concurrency" in read(path.read_text(encoding="utf-8"))) is (path.stem not in CALLED_ONLY)


@each
def test_each_job_ends_by_itself(path: Path) -> None:
    assert [name for name, job in jobs(path).items() if "uses" not in job and "timeout-minutes" not in job] == []


@each
def test_a_workflow_runs_sessions_that_there_are_and_nothing_else(path: Path) -> None:
    known = {step.name for step in STEPS}
    for step in steps(path):
        if "run" not in step or step["run"] == 'echo "NOXLIB_CACHE_DIR=$RUNNER_TEMP/noxlib" >>"$GITHUB_ENV"':
            continue
        (command,) = [line for line in step["run"].splitlines() if not line.startswith("#")]
        name = re.match(r'\$NOX -s (?:(\w+)(?: |$)|"(\w+)-\$PYTHON"|"\$SESSION")', command)
        assert name is not None, command
        assert {name[1], name[2]} - {None} <= known, command


@each
def test_no_expression_stands_in_a_command(path: Path) -> None:
    assert [step["run"] for step in steps(path) if "${{" in step.get("run", "")] == []


@each
def test_a_checkout_leaves_no_credentials_behind(path: Path) -> None:
    checkouts = [step for step in steps(path) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step for step in checkouts if step["with"].get("persist-credentials") is not False] == []


@each
def test_a_token_is_given_to_a_step_alone(path: Path) -> None:
    for job in jobs(path).values():
        told = [value for value in job.get("env", {}).values() if "secrets." in str(value) or "token" in str(value)]
        assert [value for value in told if not value.endswith("!= '' }}")] == []  # whether there is one is no secret


@pytest.mark.parametrize("name", scaffold.WORKFLOWS)
def test_a_project_gets_what_starts_ours(name: str) -> None:
    ours = read((ROOT / ".github" / "workflows" / f"{name}.yml").read_text(encoding="utf-8"))
    theirs = read(scaffold.workflow(name))
    ours["on"].pop("workflow_call", None)
    if name == "research-environment":  # noxlib itself has no suite of that kind to run each week
        assert theirs["on"].pop("schedule") == [{"cron": "0 6 * * 1"}]
    assert theirs["on"] == ours["on"]
    assert (theirs["name"], theirs["permissions"]) == (ours["name"], {})


def needed(path: Path) -> dict[str, str]:
    """All the rights that the jobs of a workflow ask for."""
    rights: dict[str, str] = {}
    for job in jobs(path).values():
        for right, level in job.get("permissions", {}).items():
            rights[right] = "write" if "write" in (level, rights.get(right)) else level
    return rights


@pytest.mark.parametrize("name", scaffold.WORKFLOWS)
def test_a_project_grants_what_the_called_workflow_needs(name: str) -> None:
    """GitHub refuses to start a workflow whose called one asks for more, whether that job would run or not."""
    (job,) = read(scaffold.workflow(name))["jobs"].values()
    called = re.search(r"([\w-]+)\.yml@", job["uses"])
    assert called is not None
    need = needed(ROOT / ".github" / "workflows" / f"{called[1]}.yml")
    assert {right: job["permissions"].get(right) for right in need} == need


def test_without_the_right_to_packages_all_but_publishing_works() -> None:
    assert {right for name in CALLED_ONLY for right in needed(ROOT / ".github" / "workflows" / f"{name}.yml")} == {
        "contents"
    }


@pytest.mark.parametrize("name", scaffold.WORKFLOWS)
def test_a_call_gives_inputs_and_secrets_that_there_are(name: str) -> None:
    calls = [read(scaffold.workflow(name))["jobs"]["noxlib"]]
    calls += [job for path in WORKFLOWS for job in jobs(path).values() if "uses" in job]
    for call in calls:
        file = ROOT / ".github" / "workflows" / re.sub(r".*/([\w-]+\.yml).*", r"\1", call["uses"])
        declared = read(file.read_text(encoding="utf-8"))["on"]["workflow_call"]
        assert set(call.get("with", ())) <= set(declared["inputs"])
        assert set(call.get("secrets", ())) <= set(declared.get("secrets", ()))
        required = {key for key, value in declared["inputs"].items() if value.get("required")}
        assert required <= set(call.get("with", ()))


def test_a_merge_queue_is_answered() -> None:
    assert "merge_group" in read(scaffold.workflow("test"))["on"]


@each
def test_nothing_runs_with_the_rights_of_the_base_on_the_code_of_a_fork(path: Path) -> None:
    assert not {"pull_request_target", "workflow_run"} & set(read(path.read_text(encoding="utf-8"))["on"])


def test_each_job_is_executed_by_act_in_our_tests_or_the_docs_say_why_not() -> None:
    there = {f"{path.stem}/{name}" for path in WORKFLOWS for name in jobs(path)}
    page = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"\| not executed by act \|.*\n\|.*\n((?:\|.*\n)+)", page)
    excused = set(re.findall(r"^\| `([\w-]+/[\w-]+)` \|", table, re.MULTILINE))
    assert set(EXECUTED) | excused == there
    assert set(EXECUTED) & excused == set()
    tests = (ROOT / "tests" / "engines" / "test_workflows.py").read_text(encoding="utf-8")
    assert [name for name in EXECUTED.values() if f"def {name}(" not in tests] == []
