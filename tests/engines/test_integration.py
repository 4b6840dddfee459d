"""``integration-X`` and ``script`` on a small project, as a user runs them: levels, environments, bad input."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Callable

import pytest

from noxlib.ledger import Ledger
from noxlib.records import store

from .checks import left_in_engine, processes_of, read, told
from .conftest import Nox, kill_group, wait_until

Adopt = Callable[..., Nox]
PLACES = ["container", "venv"]

pytestmark = [pytest.mark.docker]


@pytest.fixture
def project(adopt: Adopt, environment: dict[str, str]) -> Nox:
    """The project whose integration tests have levels; on no CI and no cluster."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI", "SLURM_JOB_ID"):
        environment.pop(name, None)
    return adopt("integration_levels")


@pytest.mark.parametrize("place", PLACES)
def test_the_basic_level_runs_under_the_environment_that_was_detected(project: Nox, place: str) -> None:
    ended = project("-s", "integration-3.10", NOXLIB_PLACE=place)
    assert ended.code == 0, ended.output
    assert "noxlib: environment local: no CI and no Slurm allocation was detected" in ended.output
    record = project.record
    assert (record.outcome, record.suite, record.place and record.place.name) == ("passed", "integration", place)
    assert (record.counts.passed, record.counts.skipped, record.counts.deselected) == (6, 2, 2)
    assert record.profile is not None
    assert (record.profile.name, record.profile.level, record.profile.concurrent) == ("local", "basic", 8)
    assert record.profile.skipped == {"backends = file; not mock_ssh": 1, "backends = file; not s3": 1}
    assert left_in_engine(project) == []


@pytest.mark.parametrize(
    ("level", "environment_", "passed"), [("extended", "cloud-hpc", 2), ("network", "hpc_cluster", 1)]
)
def test_a_level_and_an_environment_that_are_asked_for(
    project: Nox, level: str, environment_: str, passed: int
) -> None:
    ended = project("-s", "integration-3.10", "--", "--level", level, "--env-config", environment_)
    assert ended.code == 0, ended.output
    record = project.record
    assert record.counts.passed == passed
    assert record.profile is not None
    assert (record.profile.level, record.profile.reason) == (level, "asked for by --env-config")
    assert record.profile.timeout_multiplier == 5.0


def test_under_ci_the_environment_is_ci_and_the_plugins_options_follow_the_steps_own(project: Nox) -> None:
    ended = project("-s", "integration-3.10", "--", "--backend", "s3", "--max-concurrent=3", CI="true")
    assert ended.code == 0, ended.output
    profile = project.record.profile
    assert profile is not None
    assert (profile.name, profile.reason, profile.concurrent) == ("ci", "detected: CI is set", 3)
    assert profile.skipped == {
        "large_files = false": 1,
        "backends = s3; not file": 1,
        "backends = s3; not mock_ssh": 1,
    }


LEAVES = """
import subprocess

def test_leaves():
    subprocess.run(["sh", "-c", "echo > $HOME/../.left; echo > left.txt"])
"""


def test_files_that_a_session_leaves_in_its_layers_are_told(project: Nox) -> None:
    (project.folder / "tests" / "integration" / "test_leaves.py").write_text(LEAVES)
    words = ("--place", "container", "--leaks=report", "tests/integration/test_leaves.py")
    ended = project("-s", "integration-3.10", "--", *words)
    assert ended.code == 0, ended.output
    left = [(leak.test, leak.what) for leak in project.record.leaks]
    assert left == [("", "the file /home/.left"), ("", "the file /workspace/left.txt")]
    assert "the session: the file /home/.left; the file /workspace/left.txt" in ended.output


def test_the_environment_is_the_same_on_the_oldest_and_the_newest_python(project: Nox) -> None:
    (project.folder / "noxlib.toml").write_text('pythons = ["3.9", "3.13"]\n')
    ended = project("-s", "integration", "script", NOXLIB_ENV="hpc-cluster")
    assert ended.code == 0, ended.output
    records = {record.session: record for record in (store.read_record(run.path) for run in store.runs(project.folder))}
    assert set(records) == {"integration-3.9", "integration-3.13", "script"}
    assert {record.profile and record.profile.name for record in records.values()} == {"hpc_cluster"}
    assert records["integration-3.9"].counts == records["integration-3.13"].counts
    assert (records["script"].python, records["script"].counts.passed) == ("3.13", 1)


def test_a_test_that_hangs_fails_alone_and_its_command_says_the_level(project: Nox) -> None:
    text = "import time, pytest\n\n@pytest.mark.slow\ndef test_hangs(): time.sleep(600)\n"
    (project.folder / "tests/integration/test_more.py").write_text(text)
    others = project.folder / "tests/integration/test_levels.py"
    patient = r"\g<0>\n@pytest.mark.timeout(60)"
    others.write_text(re.sub(r"(?m)^@pytest.mark.(slow|performance)$", patient, others.read_text()))
    (project.folder / "noxlib.toml").write_text("[integration.levels.extended]\ntest_timeout = 2.5\n")
    ended = project("-s", "integration-3.10", "--", "--level", "extended", "--env-config", "ci")
    assert ended.code == 1, ended.output
    (failure,) = project.record.failures
    assert failure.message == "Failed: timeout: not done after 5 s of call (2.5 s times 2 of environment ci)"
    assert project.record.counts.passed == 2
    again = "nox -s integration-3.10 -- --level extended --env-config ci tests/integration/test_more.py::test_hangs"
    assert f"run it again: {again}" in ended.output


NEW = """
from pathlib import Path
import pytest

@pytest.mark.slow
def test_flaky():
    path = Path("ran")
    path.write_text(path.read_text() + "x" if path.exists() else "x")
    assert len(path.read_text()) != 2

@pytest.mark.slow
def test_known():
    raise AssertionError("still broken")
"""
QUARANTINE = """
[quarantine."tests/integration/test_new.py::test_known"]
owner = "ada"
reason = "issue 12"
expires = 2999-12-31
[quarantine."tests/integration/test_old.py::test_gone"]
owner = "ada"
reason = "issue 7"
expires = "2020-01-31"
"""


def test_new_tests_run_several_times_and_known_failures_fail_nothing(project: Nox) -> None:
    extended = ("-s", "integration-3.10", "--", "--place", "venv", "--level", "extended")
    assert project(*extended).code == 0  # nothing is new where there is no history
    assert project.record.counts.passed == 2
    (project.folder / "tests/integration/test_new.py").write_text(NEW)
    (project.folder / "noxlib.toml").write_text(QUARANTINE)
    ended = project(*extended)
    record = project.record
    assert (ended.code, record.outcome) == (1, "failed"), ended.output
    assert (record.counts.passed, record.counts.failed, record.counts.xfailed) == (2, 1, 1)
    assert [(one.test, one.runs, one.failed) for one in record.notices.flaky] == [
        ("tests/integration/test_new.py::test_flaky", 5, 1)
    ]
    (held,) = record.notices.quarantined
    assert (held.owner, held.message) == ("ada", "AssertionError: still broken")
    assert ended.output.count("is over since 2020-01-31, and the test counts again (ada: issue 7)") == 1
    assert "1 failed, 2 passed, 8 deselected, 1 xfailed, of which 1 flaky, 1 quarantined in" in ended.output
    (project.folder / "tests/integration/test_new.py").unlink()
    ended = project(*extended)
    assert (ended.code, project.record.counts.passed) == (0, 2), ended.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--level", "basics"], "there is no level 'basics' of integration tests; did you mean basic?"),
        (["--env-config", "hpc-clusters"], "there is no environment 'hpc-clusters' (asked for by --env-config)"),
        (["--ssh-password", "hunter22"], "--ssh-password takes no secret, but where it is to be found"),
    ],
)
def test_what_there_is_not_is_refused_before_anything_starts(project: Nox, words: list[str], message: str) -> None:
    ended = project("-s", "integration-3.10", "--", *words)
    assert told(ended) == 2
    assert message in ended.output
    assert not store.runs(project.folder)


def test_a_project_without_integration_tests_is_no_success(adopt: Adopt) -> None:
    nox = adopt("flat")
    ended = nox("-s", "integration-3.10")
    assert ended.code == 1
    assert "which is never a success; the selection was '(integration) and (not slow and not network)'" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("no-tests", "all-deselected")


@pytest.mark.parametrize("place", PLACES)
def test_a_suite_that_kills_its_own_session_is_told_with_its_test(project: Nox, place: str) -> None:
    text = "import os, signal\n\ndef test_kills(): os.killpg(0, signal.SIGKILL)\n"
    (project.folder / "tests/integration/test_more.py").write_text(text)
    ended = project("-s", "integration-3.10", NOXLIB_PLACE=place)
    assert ended.code == 1
    record = project.record
    assert (record.outcome, record.cause) == ("failed", "killed"), ended.output
    assert [failure.id for failure in record.failures] == ["tests/integration/test_more.py::test_kills"]
    assert record.profile is not None
    assert record.profile.level == "basic"
    assert left_in_engine(project) == []


def test_a_dry_run_prints_the_plan_and_starts_nothing(project: Nox) -> None:
    ended = project("-s", "integration-3.10", "script", "--", "--dry-run")
    assert ended.code == 0, ended.output
    assert '"level": "basic"' in ended.output
    assert '"script": "test.sh"' in ended.output
    assert not (project.folder / ".noxlib" / "runs").exists()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("mode", "outcome", "cause", "counts"),
    [
        ("passes", "passed", None, (1, 0, 0)),
        ("fails", "failed", "exit-code", (0, 1, 0)),
        ("forgets", "failed", None, (0, 1, 1)),
        ("dies", "failed", "exit-code", (0, 1, 0)),
        ("leaves", "passed", None, (1, 0, 0)),
    ],
)
def test_a_script_is_a_suite_with_a_record_like_any_other(
    project: Nox, own_state: Path, place: str, mode: str, outcome: str, cause: str | None, counts: tuple[int, int, int]
) -> None:
    ended = project("-s", "script", NOXLIB_PLACE=place, NOXLIB_SCRIPT_ENV=f"MODE={mode}")
    record = project.record
    assert (record.outcome, record.cause, record.suite) == (outcome, cause, "script"), ended.output
    assert (record.counts.passed, record.counts.failed, record.counts.subtests_failed) == counts
    assert record.python == "3.12"
    assert record.interpreter.version.startswith("3.12.")
    run = store.runs(project.folder)[0].path
    assert {"junit.xml", "report.jsonl", "plan.json"} <= {path.name for path in run.iterdir()}
    assert (run / "logs" / "output.log").exists()
    assert left_in_engine(project) == []
    assert processes_of(own_state) == []


def test_what_a_script_writes_stays_in_its_workspace(project: Nox) -> None:
    assert project("-s", "script", NOXLIB_SCRIPT_ENV="MODE=writes").code == 0
    assert not (project.folder / "written.txt").exists()


def test_a_script_has_a_time_limit(project: Nox) -> None:
    ended = project("-s", "script", NOXLIB_SCRIPT_ENV="MODE=hangs", NOXLIB_SCRIPT_TIMEOUT="2")
    assert (ended.code, project.record.outcome) == (1, "timeout"), ended.output
    assert left_in_engine(project) == []


@pytest.mark.parametrize("change", ["remove", "not executable", "no such interpreter"])
def test_a_script_that_cannot_be_started_is_one_line(project: Nox, change: str) -> None:
    script = project.folder / "test.sh"
    script.unlink()
    if change != "remove":
        script.write_text("#!/no/such/interpreter\n")
    if change == "no such interpreter":
        script.chmod(0o755)
    ended = project("-s", "script")
    told(ended)
    messages = {
        "remove": "script: there is no test.sh",
        "not executable": "script: test.sh is not executable",
        "no such interpreter": "test.sh cannot be started: No such file or directory",
    }
    assert messages[change] in ended.output


@pytest.mark.parametrize("place", PLACES)
def test_a_signal_ends_the_script_and_leaves_a_record(project: Nox, own_state: Path, place: str) -> None:
    process = project.start("-s", "script", NOXLIB_PLACE=place, NOXLIB_SCRIPT_ENV="MODE=hangs")
    wait_until(lambda: script_began(project), "the script's start")
    os.kill(process.pid, signal.SIGTERM)
    output, _ = process.communicate(timeout=300)
    assert project.record.outcome == "cancelled", output
    assert left_in_engine(project) == []
    assert processes_of(own_state) == []


@pytest.mark.parametrize("place", PLACES)
def test_after_sigkill_the_next_start_removes_what_the_script_left(project: Nox, own_state: Path, place: str) -> None:
    process = project.start("-s", "script", NOXLIB_PLACE=place, NOXLIB_SCRIPT_ENV="MODE=hangs")
    wait_until(lambda: script_began(project), "the script's start")
    kill_group(process)
    process.communicate(timeout=300)
    ended = project("-s", "reap")
    assert ended.code == 0, ended.output
    assert Ledger(own_state).entries() == ()
    assert left_in_engine(project) == []
    assert processes_of(own_state) == []


def script_began(nox: Nox) -> bool:
    """Whether the script of any run has begun."""
    reports = (nox.folder / ".noxlib" / "runs").glob("*/result/report.jsonl")
    return any('"event": "start", "id": "test.sh"' in read(report) for report in reports)
