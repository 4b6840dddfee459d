"""The plugin under an environment profile: options, skips, variables, deadlines, concurrency."""

from __future__ import annotations

import argparse
import errno
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles
from noxlib.inside import options, profile, slots, tasks

StartRun = Callable[..., Any]  # see conftest.py
REPOSITORY = Path(__file__).parents[3]
LEVELS = ["tests/integration"]


def of(name: str, **values: Any) -> dict[str, Any]:
    """A profile as a task has it."""
    found: dict[str, Any] = msgspec.to_builtins(profiles.defaults()[name])
    return {**found, "reason": "by the test", "level": "basic", "test_timeout": 600.0, **values}


@pytest.mark.parametrize(
    ("name", "skipped"),
    [
        ("local", {"backends = file; not mock_ssh": 1, "backends = file; not s3": 1}),
        ("ci", {"large_files = false": 1, "backends = file, mock_ssh; not s3": 1}),
        ("hpc_cluster", {f"backends = file, ssh, mock_tape; not {other}": 1 for other in ("mock_ssh", "s3")}),
        ("cloud_hpc", {"large_files = false": 1, "backends = file, s3; not mock_ssh": 1}),
    ],
)
def test_a_profile_skips_and_says_which_value_did_it(name: str, skipped: dict[str, int], run: StartRun) -> None:
    done = run("integration_levels", "-rs", paths=LEVELS, profile=of(name))
    assert done.code == 0, done.output
    assert done.result["profile"]["skipped"] == skipped
    assert done.counts == {"passed": 10 - sum(skipped.values()), "skipped": sum(skipped.values())}
    assert all(f"environment {name} has {reason}" in done.output for reason in skipped)
    assert done.result["profile"]["timeout_multiplier"] == profiles.defaults()[name].timeout_multiplier


def test_workers_skip_and_the_controller_counts(run: StartRun) -> None:
    done = run("integration_levels", "-p", "xdist.plugin", "-n2", paths=LEVELS, profile=of("ci"))
    assert done.counts == {"passed": 8, "skipped": 2}, done.output
    assert sum(done.result["profile"]["skipped"].values()) == 2


def test_options_change_the_profile(run: StartRun) -> None:
    words = ["--noxlib-env-config=hpc-cluster", "--timeout-multiplier", "3", "--max-concurrent=7", "--backend=s3"]
    done = run("integration_levels", *words, paths=LEVELS, profile=of("local"))
    found = done.result["profile"]
    assert (found["name"], found["timeout_multiplier"], found["concurrent"]) == ("hpc_cluster", 3.0, 7)
    assert found["skipped"] == {"backends = s3; not file": 1, "backends = s3; not mock_ssh": 1}
    assert found["level"] == "basic"


def test_an_environment_of_the_projects_own_is_known_beside_the_tests(run: StartRun) -> None:
    own = {key: value for key, value in of("ci").items() if key in ("concurrent", "timeout_multiplier", "backends")}
    given = of("local", environments={"laptop": {**own, "large_files": True}})
    done = run("integration_levels", "--env-config", "laptop", paths=LEVELS, profile=given)
    assert done.code == 0, done.output
    assert done.result["profile"]["name"] == "laptop"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--env-config", "hcp_cluster"], "there is no environment 'hcp_cluster'; did you mean hpc_cluster?"),
        (["--env-config", ""], "there is no environment ''; did you mean local?"),
        (["--backend="], "expected a name, found ''"),
        (["--timeout-multiplier", "0"], "expected a number above zero, found '0'"),
        (["--timeout-multiplier=-1"], "expected a number above zero, found '-1'"),
        (["--noxlib-max-concurrent", "1.5"], "expected a whole number above zero, found '1.5'"),
        (["--ssh-port", "70000"], "expected a port from 1 to 65535, found '70000'"),
        (["--ssh-password", "hunter22"], "expected env:NAME or file:PATH, not the secret itself"),
    ],
)
def test_a_wrong_value_is_a_usage_error_in_one_line(words: list[str], message: str, run: StartRun) -> None:
    done = run("integration_levels", *words, paths=LEVELS, profile=of("local"))
    assert (done.code, done.result["cause"]) == (4, "usage")
    assert message in done.output
    assert "Traceback" not in done.output
    assert "hunter22" not in done.output


def test_a_conftest_that_owns_the_names_of_options_keeps_them(run: StartRun) -> None:
    done = run("own_options", profile=of("local"))
    assert done.counts == {"passed": 2}, done.output


def test_a_conftest_that_is_found_later_may_own_them_too(run: StartRun) -> None:
    done = run("own_options", "deep", profile=of("local"))
    assert done.counts == {"passed": 1}, done.output


def test_without_a_profile_there_are_no_short_options_and_no_markers(run: StartRun) -> None:
    done = run("integration_levels", "--max-concurrent", "2", paths=LEVELS)
    assert (done.code, done.result["cause"]) == (4, "usage")
    assert done.result["profile"] is None


def test_each_phase_has_its_own_deadline_and_fails_its_test_only(run: StartRun, hours: dict[str, str]) -> None:
    done = run("phases", profile=of("ci", test_timeout=300.0), environment=hours)
    failed = {failure["id"].partition("::")[2]: failure for failure in done.result["failures"]}
    phases = {name: failure["phase"] for name, failure in failed.items()}
    assert phases == {
        "test_hangs_in_setup": "setup",
        "test_hangs_in_call": "call",
        "test_hangs_in_teardown": "teardown",
        "test_waits_for_a_lock": "call",
        "test_swallows_what_ends_it": "call",
    }, done.output
    message = "Failed: timeout: not done after 600 s of call (300 s times 2 of environment ci)"
    assert failed["test_hangs_in_call"]["message"] == message
    assert failed["test_swallows_what_ends_it"]["message"] == "RuntimeError: went on twice"
    assert done.counts == {"passed": 5, "failed": 3, "errors": 2}
    assert "torn down" in done.output  # the teardown of a test whose time was up
    assert "in test_waits_for_a_lock" in done.output  # the stacks


def test_a_test_that_hangs_in_c_ends_its_process_which_says_so(run: StartRun, later: dict[str, str]) -> None:
    done = run("phases", "-s", paths=["in_c.py"], profile=of("local"), environment=later, timeout=100_000)
    assert done.result["cause"] == "timeout", done.output
    assert done.result["message"] == "a test hangs; running: in_c.py::test_hangs_in_c"
    assert done.counts["passed"] == 1
    assert "in test_hangs_in_c" in done.output  # the stacks


def test_a_test_that_hangs_in_c_ends_its_worker_and_the_others_run(run: StartRun, later: dict[str, str]) -> None:
    words = ["-p", "xdist.plugin", "-n1"]
    done = run("phases", *words, paths=["in_c.py"], profile=of("local"), environment=later, timeout=100_000)
    assert done.counts == {"passed": 2, "failed": 1}, done.output
    assert [failure["id"] for failure in done.result["failures"]] == ["in_c.py::test_hangs_in_c"]


def test_a_tests_own_clock_and_endless_deadlines_are_no_error(run: StartRun) -> None:
    done = run("phases", paths=["patched.py"], profile=of("local"))
    assert (done.code, done.counts) == (0, {"passed": 4}), done.output


def test_a_marker_without_seconds_is_one_error_of_its_test(run: StartRun) -> None:
    done = run("phases", paths=["marked.py"], profile=of("local"))
    assert done.counts == {"passed": 2, "errors": 1, "skipped": 1}, done.output
    (failure,) = done.result["failures"]
    assert failure["message"] == "Failed: the marker timeout takes seconds: @pytest.mark.timeout(60)"
    assert done.result["profile"]["skipped"] == {"backends = file; not tape": 1}


def test_a_hook_that_fails_when_all_is_over_loses_no_result(
    run: StartRun, hours: dict[str, str], tmp_path: Path
) -> None:
    variables = {"PYTHONPATH": f"{tmp_path}/workspace:{hours['PYTHONPATH']}"}
    done = run("phases", "-p", "ends_badly", "-k", "quick", environment=variables, profile=of("local"))
    assert (done.code, done.result["cause"]) == (3, "internal"), done.output
    assert done.result["message"] == "RuntimeError: nothing to put away"
    assert (done.counts["passed"], done.result["profile"]["name"]) == (1, "local")


@pytest.mark.parametrize("words", [["--timeout=50"], ["-o", "timeout=50"]])
def test_pytest_timeout_is_left_alone_where_it_is_configured(words: list[str], run: StartRun) -> None:
    done = run("phases", "-p", "pytest_timeout", *words, "-k", "has_more_time", profile=of("local", test_timeout=0.1))
    assert done.counts == {"passed": 1, "deselected": 8}, done.output
    assert "timeouts by pytest-timeout" in done.output


def test_where_pytest_timeout_is_only_installed_it_sees_to_its_marker(run: StartRun) -> None:
    done = run("phases", "-p", "pytest_timeout", "-k", "has_more_time", profile=of("local", test_timeout=0.1))
    assert done.counts == {"passed": 1, "deselected": 8}, done.output


def test_a_test_without_that_marker_has_our_deadline_then(run: StartRun, hours: dict[str, str]) -> None:
    words = ["-p", "pytest_timeout", "-k", "hangs_in_call"]
    done = run("phases", *words, profile=of("local", test_timeout=300.0), environment=hours)
    assert done.counts == {"failed": 1, "deselected": 8}, done.output
    assert "not done after 300 s of call" in done.output


@pytest.mark.parametrize(
    ("words", "variables"),
    [(["--env-config=ci"], {"SLURM_JOB_ID": "1"}), ([], {"NOXLIB_ENV": "ci"}), ([], {"GITHUB_ACTIONS": "true"})],
)
def test_the_plugin_works_alone(words: list[str], variables: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import os\n\ndef test_it(): assert os.environ['NOXLIB_ENV'] == 'ci'\n")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NOXLIB_", "CI", "SLURM_"))}
    environment = {**kept, "PYTHONPATH": str(REPOSITORY), **variables}
    argv = [sys.executable, "-m", "pytest", "-p", "noxlib.inside.plugin", "-p", "no:cacheprovider", *words]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "noxlib: environment ci: 60 s a phase of a test, 4 at once" in done.stdout


def test_another_environment_of_the_project_keeps_its_names_of_variables() -> None:
    own = {**of("ci"), "name": "laptop", "aliases": {}, "folders": {}}
    names = {"aliases": {"TELLUS_ENV": "NOXLIB_ENV"}, "folders": {"cache": ["TELLUS_CACHE"]}}
    asked = argparse.Namespace(noxlib_env_config="laptop")
    config = argparse.Namespace(option=asked, getoption=lambda name, default=None: getattr(asked, name, default))
    found = profile.choose(of("local", environments={"laptop": own}, **names), config, {})
    assert (found["name"], found["aliases"], found["folders"]) == ("laptop", *names.values())


def test_the_plugin_alone_ends_a_test_that_hangs_in_c(later: dict[str, str]) -> None:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NOXLIB_", "CI", "SLURM_"))}
    path = os.pathsep.join([str(REPOSITORY), later["PYTHONPATH"]])
    environment = {**kept, **later, "PYTHONPATH": path, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    project = REPOSITORY / "tests/projects/phases"
    argv = [sys.executable, "-m", "pytest", "-p", "noxlib.inside.plugin", "-p", "no:cacheprovider", "in_c.py"]
    done = subprocess.run(argv, cwd=project, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGABRT, done.stdout + done.stderr
    assert "in test_hangs_in_c" in done.stderr  # the stacks


def test_a_cluster_shows_its_nodes_and_tasks() -> None:
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "3", "SLURM_NTASKS": "12"}
    assert tasks.variables(of("hpc_cluster"), slurm) == {
        "NOXLIB_ENV": "hpc_cluster",
        "NOXLIB_TIMEOUT_MULTIPLIER": "5",
        "NOXLIB_CONCURRENT_LIMIT": "2",
        "NOXLIB_HPC_NODES": "3",
        "NOXLIB_HPC_TASKS": "12",
    }
    assert "NOXLIB_HPC_NODES" not in tasks.variables(of("local"), {})


def test_tests_see_the_projects_own_names_of_the_variables() -> None:
    names = {"TELLUS_TEST_CONFIG": "NOXLIB_ENV", "TELLUS_NODES": "NOXLIB_HPC_NODES"}
    found = tasks.variables(of("ci", aliases=names), {})
    assert found["TELLUS_TEST_CONFIG"] == "ci"
    assert "TELLUS_NODES" not in found


@pytest.mark.parametrize("environ", [{}, {"CI": "0"}, {"CI": "1"}, {"CI": "1", "SLURM_JOB_ID": "3"}])
def test_both_sides_detect_the_same(environ: dict[str, str]) -> None:
    assert profile.detect(environ) == profiles.detect(environ)


def test_both_sides_read_one_table_of_profiles() -> None:
    for name, expected in profiles.defaults().items():
        found = profile.find(name, {})
        assert msgspec.convert(found, profiles.Profile) == expected


def test_the_places_for_operations_are_never_more_than_so_many(tmp_path: Path) -> None:
    code = (
        "import json, sys, time\n"
        "from noxlib.inside.slots import Slots\n"
        "with Slots(sys.argv[1], 2):\n"
        "    start = time.monotonic(); time.sleep(0.15); print(json.dumps([start, time.monotonic()]))\n"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    started = [subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) for _ in range(5)]
    spans = [json.loads(process.communicate()[0]) for process in started]
    at_once = [sum(begin <= moment < end for begin, end in spans) for moment, _ in spans]
    assert max(at_once) <= 2


def test_a_place_for_operations_is_free_again_and_may_be_held_twice(tmp_path: Path) -> None:
    places = slots.Slots(str(tmp_path), 2)
    for _ in range(3):
        with places, places:
            assert len(places.held.files) == 2
    assert places.held.files == []


def test_a_function_may_hold_a_place_for_each_call(tmp_path: Path) -> None:
    places = slots.Slots(str(tmp_path), 1)

    @places
    def upload(name: str) -> tuple[str, int]:
        return name, len(places.held.files)

    assert (upload("a"), upload(name="b")) == (("a", 1), ("b", 1))
    assert places.held.files == []


def test_a_file_system_without_locks_is_told_and_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _how: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(slots.fcntl, "flock", refuse)  # type: ignore[attr-defined]
    with pytest.raises(OSError, match="no file can be locked here: Function not implemented"):
        slots.Slots(str(tmp_path), 2).take()


def test_a_folder_of_somebody_elses_holds_no_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slots.tempfile, "gettempdir", lambda: str(tmp_path))  # type: ignore[attr-defined]
    with slots.Slots(None, 1):
        assert [path.name for path in tmp_path.iterdir()] == [f"noxlib-slots-{os.getuid()}"]
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    with pytest.raises(PermissionError, match="noxlib-slots-4711 belongs to somebody else"):
        slots.Slots(None, 1)


def test_a_password_is_read_from_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSH_SECRET", "one two")
    (tmp_path / "password").write_text("three\n")
    assert options.secret("env:SSH_SECRET") == "one two"
    assert options.secret(f"file:{tmp_path}/password") == "three"
    with pytest.raises(LookupError, match="ABSENT"):
        options.secret("env:ABSENT")
    (tmp_path / "password").write_bytes(b"\xff")
    with pytest.raises(LookupError, match="holds no text"):
        options.secret(f"file:{tmp_path}/password")
