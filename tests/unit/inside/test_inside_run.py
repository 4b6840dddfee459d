"""``run.py`` as it is started in every place, on small projects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Callable

import pytest

from noxlib.inside import deadline, result

StartRun = Callable[..., Any]  # see conftest.py
SELECT = "not integration and not vmtest"


def test_a_green_run_says_what_it_ran_and_what_it_left_out(run: StartRun) -> None:
    done = run("src_layout", select=SELECT, import_names=["letters"])
    assert done.code == 0, done.output
    assert done.counts == {"passed": 5, "deselected": 1}
    assert f"noxlib: 1 deselected by {SELECT!r}" in done.output
    assert done.result["imports"]["letters"] == str(done.workspace / "src/letters/__init__.py")
    assert result.outcome(done.result) == "passed"
    assert (done.folder / "result/junit.xml").exists()
    assert [line["id"] for line in done.lines if line["event"] == "start"] == [
        line["id"] for line in done.lines if line["event"] == "end"
    ]


def test_workers_of_xdist_report_through_their_controller(run: StartRun) -> None:
    done = run("src_layout", "-p", "xdist.plugin", "-n2", select=SELECT, import_names=["letters"], paths=["tests"])
    assert done.code == 0, done.output
    assert done.counts == {"passed": 5, "deselected": 1}
    assert done.result["imports"]["letters"]
    assert len([line for line in done.lines if line["event"] == "end"]) == 5


def test_the_projects_own_selection_is_joined_with_ours(run: StartRun) -> None:
    done = run("src_layout", "-m", "slow or integration", select=SELECT)
    assert done.counts == {"passed": 1, "deselected": 5}


@pytest.mark.parametrize(
    ("arguments", "passed"),
    [
        (["-k", "tests", "-x"], 1),
        (["-k", "counts or short", "--deselect", "tests/test_count.py::test_counts"], 1),
        (["tests/test_count.py::test_short"], 2),
    ],
)
def test_default_paths_count_only_where_no_path_is_given(run: StartRun, arguments: list[str], passed: int) -> None:
    done = run("src_layout", *arguments, paths=["tests/test_count.py::test_short[x]"])
    assert done.counts["passed"] == passed, done.output


def test_an_id_begins_at_the_workspace_wherever_pytests_configuration_lies(run: StartRun) -> None:
    done = run("phases", "inner/named.py")
    assert [failure["id"] for failure in done.result["failures"]] == ["inner/named.py::test_fails"], done.output


def test_every_outcome_is_counted_as_pytest_counts_it(run: StartRun) -> None:
    done = run("outcomes")
    expected = {"failed": 2, "errors": 2, "skipped": 2, "xfailed": 2, "xpassed": 1}
    if "subtests_failed" not in done.counts:  # before pytest 9 the test itself fails
        expected["failed"] = 3
    assert {name: done.counts[name] for name in expected} == expected
    phases = {failure["id"].rpartition("::")[2]: failure["phase"] for failure in done.result["failures"]}
    assert phases["test_setup_error"] == "setup"
    assert phases["test_teardown_error"] == "teardown"
    assert done.result["failures"][0]["message"] == "AssertionError: lists differ"
    assert result.outcome(done.result) == "failed"


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_a_suite_that_stops_at_its_first_failure_has_failed(words: tuple[str, ...], run: StartRun) -> None:
    done = run("outcomes", *words, "-x")
    assert (bool(done.counts["failed"]), result.outcome(done.result)) == (True, "failed"), done.output


def test_all_skipped_is_not_green(run: StartRun) -> None:
    done = run("skips_everything")
    assert (done.code, done.result["cause"], result.outcome(done.result)) == (0, "all-skipped", "no-tests")


def test_nothing_selected_is_not_green(run: StartRun) -> None:
    done = run("src_layout", "-k", "no_such_test")
    assert (done.code, done.result["cause"], result.outcome(done.result)) == (5, "all-deselected", "no-tests")


@pytest.mark.parametrize("project", ["broken_collection", "broken_conftest"])
def test_what_cannot_be_collected_is_a_failure_of_the_project(run: StartRun, project: str) -> None:
    done = run(project)
    assert done.result["cause"] == "collection"
    assert result.outcome(done.result) == "failed"
    messages = [failure["message"] for failure in done.result["failures"]] or [done.result["message"]]
    assert "no_such_module_anywhere" in messages[0]


def test_an_unknown_option_is_a_usage_error(run: StartRun) -> None:
    done = run("src_layout", "--no-such-option")
    assert (done.code, done.result["cause"]) == (4, "usage")
    assert "Traceback" not in done.output


def test_a_conftest_may_define_options_that_are_named_like_ours(run: StartRun) -> None:
    done = run("flat", "--place", "moon", import_names=["numbers_flat"])
    assert done.counts == {"passed": 2}, done.output


def test_strict_markers_know_the_markers_that_our_selection_names(run: StartRun) -> None:
    done = run("strict_markers", select="not integration and not vmtest")
    assert done.counts == {"passed": 1}, done.output


def test_an_installed_copy_is_refused_before_the_first_test(run: StartRun) -> None:
    done = run("imports_installed_copy", import_names=["shadowed"], environment={"SHADOW": "1"})
    assert (done.code, done.result["cause"]) == (result.GUARD, "guard")
    assert "installed/site-packages/shadowed/__init__.py" in done.result["message"]
    assert "passed" not in done.counts


def test_without_the_copy_the_same_project_passes(run: StartRun) -> None:
    assert run("imports_installed_copy", import_names=["shadowed"]).counts == {"passed": 1}


def test_another_python_is_refused(run: StartRun) -> None:
    done = run("flat", python="2.7")
    assert (done.code, done.result["cause"]) == (result.GUARD, "guard")


def test_a_hanging_suite_ends_with_its_stacks_and_a_result(run: StartRun, later: dict[str, str]) -> None:
    done = run("hangs", "-m", "not deep", timeout=300, coverage=True, environment=later)
    assert done.code == result.TIMEOUT
    assert done.result["cause"] == "timeout"
    assert "tests/test_hangs.py::test_hangs" in done.result["message"]
    assert done.counts["passed"] == 1
    assert "test_hangs.py" in done.output
    assert list((done.folder / "result").glob(".coverage.*"))


def test_sigterm_ends_a_suite_as_ctrl_c_does(start: StartRun) -> None:
    begun = start("hangs", "-m", "not deep")
    report = begun.folder / "result/report.jsonl"
    while begun.process.poll() is None and not (report.exists() and "::test_hangs" in report.read_text()):
        time.sleep(0.05)
    begun.process.send_signal(signal.SIGTERM)
    done = begun.finish()
    assert (done.code, done.result["cause"]) == (2, "interrupted")
    assert result.outcome(done.result) == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_after_the_last_test_does_not_lose_the_result(run: StartRun, tmp_path: Path, number: int) -> None:
    (tmp_path / "late.py").write_text(
        f"import os\n\ndef fsync(_):\n    os.kill(os.getpid(), {int(number)})\n\nos.fsync = fsync\n"
    )
    done = run("hangs", "-p", "late", "-k", "test_passes", environment={"PYTHONPATH": str(tmp_path)})
    assert (done.code, done.counts["passed"]) == (0, 1)
    assert "Traceback" not in done.output


def test_a_killed_run_leaves_the_lines_of_what_it_had_done(run: StartRun) -> None:
    done = run("outcomes_crash")
    assert done.code == -signal.SIGKILL
    assert not (done.folder / "result/result.json").exists()
    assert [(line["event"], line.get("outcome")) for line in done.lines[1:]] == [
        ("start", None),
        ("end", "passed"),
        ("start", None),
    ]


def test_a_new_process_goes_on_after_a_crash_and_tells_the_whole(run: StartRun, tmp_path: Path) -> None:
    died = run("outcomes_crash")
    again = go_on(died)
    assert again.returncode == 1, again.stdout
    assert died.counts == {"passed": 2, "failed": 1}
    assert (died.result["cause"], died.result["message"]) == ("killed", "it was killed")
    assert [failure["id"] for failure in died.result["failures"]] == ["test_crash.py::test_crashes"]
    ends = {line["id"]: line["outcome"] for line in died.lines if line["event"] == "end"}
    assert ends == {
        "test_crash.py::test_before": "passed",
        "test_crash.py::test_crashes": "crashed",
        "test_crash.py::test_after": "passed",
    }
    suite = ET.parse(died.folder / "result/junit.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("3", "1")
    assert sorted((case.get("classname"), case.get("name")) for case in suite.iter("testcase")) == [
        ("test_crash", "test_after"),
        ("test_crash", "test_before"),
        ("test_crash", "test_crashes"),
    ]


def test_workers_do_not_run_again_what_was_done(run: StartRun) -> None:
    died = run("outcomes_crash")
    again = go_on(died, "-p", "xdist.plugin", "-n2")
    assert again.returncode == 1, again.stdout
    assert died.counts == {"passed": 2, "failed": 1}


def test_a_crash_counts_for_the_number_of_failures_that_stop_a_suite(run: StartRun) -> None:
    died = run("outcomes_crash", "--maxfail=1")
    assert go_on(died).returncode == 1
    assert died.counts == {"passed": 1, "failed": 1}


def go_on(died: Any, *words: str) -> subprocess.CompletedProcess[str]:
    """The task of a run that died once more, as its place has it carried out."""
    file = died.folder / "task.json"
    task = json.loads(file.read_text())
    task["arguments"] += words
    file.write_text(json.dumps({**task, "resume": {"cause": "killed", "message": "it was killed"}}))
    argv = [str(word) for word in died.process.args]
    variables = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(argv, env=variables, capture_output=True, text=True, check=False)


def test_coverage_is_saved_with_the_paths_of_the_checkout(run: StartRun) -> None:
    coverage = pytest.importorskip("coverage")
    done = run("src_layout", coverage=True, select=SELECT)
    files = sorted((done.folder / "result").glob(".coverage.*"))
    assert files, done.output
    measured = set()
    for file in files:
        data = coverage.CoverageData(str(file))
        data.read()
        measured |= data.measured_files()
    assert "src/letters/__init__.py" in measured
    assert not [name for name in measured if "noxlib_inside" in name]


@pytest.mark.parametrize("text", ["", "{}", "[1]"])
def test_a_task_that_is_none_ends_in_one_line(tmp_path: object, text: str, run: StartRun) -> None:
    from noxlib.inside import session

    path = f"{tmp_path}/bad.json"
    Path(path).write_text(text)
    assert session.main(["run.py", path]) == 64


def test_a_process_that_ends_is_not_waited_for() -> None:
    child = subprocess.Popen(["sleep", "0.1"])
    assert not deadline.outlives(child.pid, 600)
    child.wait()
    assert deadline.outlives(os.getpid(), 0.01)


def test_descendants_are_children_and_theirs_whatever_the_order() -> None:
    assert sorted(deadline.descendants(1, {9: 8, 8: 1, 7: 2, 5: 1, 1: 0})) == [5, 8, 9]
    assert deadline.parents()[os.getpid()] == os.getppid()


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_a_copy_that_comes_back_from_a_test_runs_no_other(words: tuple[str, ...], run: StartRun) -> None:
    done = run("forks", *words, "-W", "ignore::DeprecationWarning")
    assert (done.code, done.counts) == (0, {"passed": 6}), done.output
    ends = [line for line in done.lines if line["event"] == "end"]
    assert len(ends) == len({line["id"] for line in ends}) == 6
    assert all(0 <= line["duration"] < 600 for line in ends)  # whatever the clock says
    assert done.result["timings"]["total"] > 0
