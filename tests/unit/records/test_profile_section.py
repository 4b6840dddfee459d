"""The environment profile and the shard on their way from the tests' own process to the record."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from noxlib.places.host import Exit
from noxlib.records import collect, store
from noxlib.records.collect import advice
from noxlib.records.record import Failure, PlaceSection, ProfileSection, Record

if TYPE_CHECKING:
    from noxlib.plan import Plan

PROFILE = {"name": "ci", "reason": "detected: CI is set", "level": "basic", "timeout_multiplier": 2.0, "concurrent": 4}
PLANNED = {**PROFILE, "large_files": False, "backends": ["file"], "test_timeout": 30.0}


def record_of(folder: store.RunFolder, plan: Plan, code: int, **result: Any) -> Record:
    """The record of a run that was planned under a profile and left this result, or none."""
    task = msgspec.structs.replace(plan.task, profile=PLANNED)
    story = collect.Story(folder, "integration-3.10", "integration", "3.10", "thing")
    story.planned(msgspec.structs.replace(plan, task=task), story.section)
    (folder.path / "result").mkdir(exist_ok=True)
    if result:
        (folder.path / "result" / "result.json").write_text(json.dumps({"exit_code": code, "counts": {}, **result}))
    return story.record(Exit(code), None, {"run": 1.0})


def test_what_the_profile_skipped_is_in_the_record(folder: store.RunFolder, plan: Plan) -> None:
    found = {**PROFILE, "skipped": {"large_files = false": 3, "nothing": 0}}
    record = record_of(folder, plan, 0, counts={"passed": 1, "skipped": 3}, profile=found)
    assert record.profile == ProfileSection("ci", "detected: CI is set", "basic", 2.0, 4, {"large_files = false": 3})


def test_a_run_without_a_result_has_the_profile_that_was_planned(folder: store.RunFolder, plan: Plan) -> None:
    record = record_of(folder, plan, 137)
    assert record.profile == ProfileSection("ci", "detected: CI is set", "basic", 2.0, 4)


@pytest.mark.parametrize(
    ("code", "cause", "counts", "outcome"),
    [
        (0, "empty-shard", {"deselected": 2}, "passed"),
        (5, "exit-code", {"failed": 1}, "failed"),  # a script's own 5 is not pytest's
        (0, None, {}, "no-tests"),
    ],
)
def test_the_causes_of_shards_and_scripts(
    code: int, cause: str | None, counts: dict[str, int], outcome: str, folder: store.RunFolder, plan: Plan
) -> None:
    record = record_of(folder, plan, code, cause=cause, counts=counts)
    assert (record.outcome, record.cause) == (outcome, cause)


@pytest.mark.parametrize("profile", [{"name": 3}, {"name": "ci", "concurrent": "many"}, []])
def test_a_damaged_profile_is_a_damaged_result(profile: Any, folder: store.RunFolder, plan: Plan) -> None:
    record = record_of(folder, plan, 0, counts={"passed": 1}, profile=profile)
    assert record.outcome != "passed"


def failed(**changes: Any) -> Record:
    base = Record("r", "integration-3.10", "integration", "3.10", "thing", "failed")
    failures = (Failure("t.py::a", "call", "assert 0"),)
    return msgspec.structs.replace(base, failures=failures, place=PlaceSection("venv", "found"), **changes)


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (ProfileSection("ci", "detected: CI is set", "extended"), "-- --level extended t.py::a"),
        (ProfileSection("ci", "asked for by --env-config", "basic"), "-- --level basic --env-config ci t.py::a"),
        (ProfileSection("ci", "detected: CI is set"), "-- t.py::a"),
        (None, "-- t.py::a"),
    ],
)
def test_the_command_that_runs_a_test_again_has_its_level_and_environment(
    profile: ProfileSection | None, words: str
) -> None:
    assert advice(failed(profile=profile))[0] == f"run it again: nox -s integration-3.10 {words}"


def test_the_command_that_runs_a_test_again_has_the_plugins_own_options() -> None:
    argv = ("--ssh-host=box", "-q", "--s3-key", "key", "--s3-secret=env:SECRET", "--noxlib-leaks", "***", "-x")
    words = "-- --ssh-host=box --s3-key key --s3-secret=env:SECRET t.py::a"
    assert advice(failed(argv=argv))[0] == f"run it again: nox -s integration-3.10 {words}"


def test_a_script_is_run_again_whole() -> None:
    record = failed(suite="script", session="script", python="3.12")
    assert advice(record) == (
        "run it again: nox -s script",
        "a shell in the same environment: nox -s testground_shell-3.12",
    )
