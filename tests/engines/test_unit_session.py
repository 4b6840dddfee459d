"""``unit-X`` on small projects, as a user runs it: both places, every outcome, a line of what happened, one to do."""

from __future__ import annotations

import os
import signal
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.records import store

from .checks import began, left_in_engine, processes_naming
from .conftest import Nox, kill_group, settled, wait_until

Adopt = Callable[..., Nox]
PLACES = ["container", "venv"]

pytestmark = [pytest.mark.docker]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "name", ["src_layout", "flat", "setup_py_only", "requirements_only", "c_extension", "setuptools_scm"]
)
def test_a_project_without_configuration_passes(adopt: Adopt, name: str, place: str) -> None:
    nox = adopt(name)
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert ended.code == 0, ended.output
    record = nox.record
    assert (record.outcome, record.place and record.place.name) == ("passed", place)
    assert record.counts.passed >= 1
    assert record.interpreter.version.startswith("3.10.")
    assert left_in_engine(nox) == []


def test_each_python_of_the_name_is_the_one_that_runs(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    ended = nox("-s", "unit", "-j", "2")
    assert ended.code == 0, ended.output
    found = {store.read_record(run.path).interpreter.version.rsplit(".", 1)[0] for run in store.runs(nox.folder)}
    assert found == {"3.9", "3.10", "3.11", "3.12"}
    assert "test session starts" not in ended.output  # under -j nox gets the summary, the log file the rest


def test_an_edit_is_seen_at_once_and_rebuilds_nothing(adopt: Adopt) -> None:
    nox = adopt("flat")
    assert nox("-s", "unit-3.10").code == 0
    module = next(path for path in nox.folder.glob("*.py") if path.name not in ("noxfile.py", "setup.py"))
    module.write_text("raise SystemError('edited')\n")
    ended = nox("-s", "unit-3.10")
    assert ended.code == 1
    assert "edited" in ended.output
    assert not any(word in ended.output for word in ("building", "preparing", "locking"))


def test_selection_is_passed_and_what_was_deselected_is_recorded(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    ended = nox("-s", "unit-3.10", "--", "-k", "no_such_test_at_all")
    assert ended.code == 1
    assert nox.record.outcome == "no-tests"
    assert nox.record.counts.deselected >= 1
    assert "which is never a success" in ended.output


@pytest.mark.parametrize("place", PLACES)
def test_all_skipped_is_not_green(adopt: Adopt, place: str) -> None:
    nox = adopt("skips_everything")
    assert nox("-s", "unit-3.10", NOXLIB_PLACE=place).code == 1
    assert (nox.record.outcome, nox.record.cause) == ("no-tests", "all-skipped")


@pytest.mark.parametrize("place", PLACES)
def test_a_suite_that_hangs_is_a_timeout_with_its_test(adopt: Adopt, place: str) -> None:
    nox = adopt("hangs")
    for seconds in ("4", "20", "100"):  # more where a busy machine had not come to that test by then
        ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place, NOXLIB_UNIT_TIMEOUT=seconds)
        if "test_hangs" in (nox.record.message or ""):
            break
    assert ended.code == 1
    assert nox.record.outcome == "timeout"
    assert "test_hangs" in (nox.record.message or "")
    cases = ET.parse(store.runs(nox.folder)[0].path / "junit.xml").iter("testcase")
    assert [case.get("name") for case in cases if case.find("failure") is not None] == ["test_hangs"]
    assert left_in_engine(nox) == []


def test_a_suite_that_eats_memory_is_told_apart(adopt: Adopt) -> None:
    nox = adopt("eats_memory")
    assert nox("-s", "unit-3.10", NOXLIB_UNIT_MEMORY="300m").code == 1
    assert (nox.record.outcome, nox.record.cause) == ("failed", "out-of-memory")
    assert any("test_eats" in failure.id for failure in nox.record.failures)


@pytest.mark.parametrize("place", PLACES)
def test_the_checkout_is_untouched_by_tests_that_write(adopt: Adopt, place: str) -> None:
    nox = adopt("writes_into_tree")
    before = {path: path.read_bytes() for path in nox.folder.rglob("*") if path.is_file()}
    assert nox("-s", "unit-3.10", NOXLIB_PLACE=place).code == 0
    after = {
        path: path.read_bytes()
        for path in nox.folder.rglob("*")
        if path.is_file() and path.relative_to(nox.folder).parts[0] not in (".noxlib", ".pytest_cache")
    }
    assert {path: after.get(path) for path in before} == before
    assert set(after) == {*before, nox.folder / "snapshots" / "new.txt"}  # the one that write_back names


@pytest.mark.parametrize("place", PLACES)
def test_last_failed_works_from_run_to_run(adopt: Adopt, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_two.py").write_text("def test_good(): pass\ndef test_bad(): assert False\n")
    assert nox("-s", "unit-3.10", NOXLIB_PLACE=place).code == 1
    ended = nox("-s", "unit-3.10", "--", "--lf", NOXLIB_PLACE=place)
    assert (nox.record.counts.failed, nox.record.counts.passed) == (1, 0), ended.output


def test_a_failure_prints_the_commands_that_look_at_it(adopt: Adopt) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_two.py").write_text("def test_bad(): assert False\n")
    output = nox("-s", "unit-3.10").output
    assert "run it again: nox -s unit-3.10 -- tests/test_two.py::test_bad" in output
    assert "a shell in the same environment: nox -s testground_shell-3.10" in output


def test_a_command_in_the_shell_runs_where_the_tests_run(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    ended = nox("-s", "testground_shell-3.10", "--", "--", "python", "-c", "import letters; print(letters.__file__)")
    assert ended.code == 0, ended.output
    assert "/workspace/src/letters" in ended.output


def test_a_python_that_cannot_be_is_refused_before_anything_starts(adopt: Adopt) -> None:
    ended = adopt("flat")("-s", "unit-3.8", NOXLIB_PYTHONS="3.8,3.10")
    assert ended.code == 1
    assert "3.8" in ended.output
    assert "Traceback" not in ended.output


def test_an_interpreter_that_is_not_there_is_one_line_and_what_to_do(adopt: Adopt) -> None:
    nox = adopt("flat")
    ended = nox("-s", "unit-3.20", NOXLIB_PYTHONS="3.20", NOXLIB_PLACE="venv")
    assert ended.code == 1
    assert "uv python install 3.20" in ended.output
    assert "Traceback" not in ended.output
    assert nox.record.outcome == "error"


def test_no_engine_falls_back_and_says_so(adopt: Adopt) -> None:
    nox = adopt("flat")
    ended = nox("-s", "unit-3.10", DOCKER_HOST="unix:///nonexistent/docker.sock")
    assert ended.code == 0, ended.output
    assert "no container engine answers at unix:///nonexistent/docker.sock" in ended.output
    place = nox.record.place
    assert place is not None
    assert place.fallback


def test_no_engine_in_ci_is_an_error_unless_configured(adopt: Adopt) -> None:
    nox = adopt("flat")
    variables = {"DOCKER_HOST": "unix:///nonexistent/docker.sock", "CI": "true"}
    ended = nox("-s", "unit-3.10", **variables)
    assert ended.code == 1
    assert "under CI nothing else is taken silently" in ended.output
    assert "Traceback" not in ended.output
    assert nox.record.outcome == "error"
    assert nox("-s", "unit-3.10", **variables, NOXLIB_FALLBACK="true").code == 0


def test_pdb_without_a_terminal_is_refused(adopt: Adopt) -> None:
    ended = adopt("flat")("-s", "unit-3.10", "--", "--pdb")
    assert ended.code == 1
    assert "--pdb needs a terminal" in ended.output


@pytest.mark.parametrize("folder", ["with space", "ünïcode ☃", "semi;colon $(touch injected)", "com,ma:colon"])
@pytest.mark.parametrize("place", PLACES)
def test_any_folder_name_will_do(adopt: Adopt, folder: str, place: str) -> None:
    nox = adopt("flat", folder=folder)
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert ended.code == 0, ended.output
    assert not list(nox.folder.parent.rglob("injected"))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("place", PLACES)
def test_a_signal_cleans_up_and_leaves_a_record(adopt: Adopt, place: str, number: int) -> None:
    nox = adopt("hangs")
    process = nox.start("-s", "unit-3.10", NOXLIB_PLACE=place)
    _wait_for_test(nox)
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=300)
    assert nox.record.outcome == "cancelled", output
    assert nox.record.counts.passed == 1
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", PLACES)
def test_after_sigkill_the_next_start_removes_what_was_left(adopt: Adopt, place: str, own_state: Path) -> None:
    nox = adopt("hangs")
    process = nox.start("-s", "unit-3.10", NOXLIB_PLACE=place)
    _wait_for_test(nox)
    kill_group(process)
    process.communicate(timeout=300)
    assert Ledger(own_state).orphans()
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    assert Ledger(own_state).entries() == ()
    assert left_in_engine(nox) == []
    assert (nox.record.outcome, nox.record.counts.passed) == ("cancelled", 1)
    assert settled(lambda: processes_naming(str(nox.folder))) == []


def _wait_for_test(nox: Nox) -> None:
    wait_until(lambda: began(nox, "test_hangs"), "the test that hangs", seconds=300)


def test_an_engine_that_stops_half_way_is_an_error_with_a_record(adopt: Adopt) -> None:
    nox = adopt("hangs")
    process = nox.start("-s", "unit-3.10", "--", "--place", "container", "-k", "not in_c")
    _wait_for_test(nox)
    docker = Docker.connect()
    (found,) = docker.containers({"io.noxlib.run": store.runs(nox.folder)[0].name})
    docker.remove(found["Id"])  # pulled away from under it
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert nox.record.outcome in ("error", "failed")
    assert nox.record.counts.passed == 1


def test_two_runs_at_once_in_one_checkout_do_not_meet(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    assert nox("-s", "unit-3.10", NOXLIB_PLACE="venv").code == 0
    processes = [nox.start("-s", "unit-3.10", NOXLIB_PLACE=place) for place in ("venv", "venv", "container")]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], outputs


def test_a_folder_that_is_no_repository_has_no_commit(adopt: Adopt) -> None:
    nox = adopt("flat")
    ended = nox("-s", "unit-3.10")
    assert ended.code == 0, ended.output
    assert nox.record.source.commit is None


@pytest.mark.parametrize("place", PLACES)
def test_a_secret_is_in_no_output_log_or_record(adopt: Adopt, place: str) -> None:
    nox = adopt("flat", configuration='[unit.env]\nSERVICE_TOKEN = "correct-horse-battery"\n')
    (nox.folder / "tests" / "test_two.py").write_text(
        "import os\nTOKEN = os.environ['SERVICE_TOKEN']\n\ndef test_bad():\n    print(TOKEN)\n    assert TOKEN == 'x'\n"
    )
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert ended.code == 1
    assert "***" in ended.output
    kept = [path for path in (nox.folder / ".noxlib").rglob("*") if path.is_file()]
    assert "correct-horse-battery" not in ended.output
    assert [path.name for path in kept if b"correct-horse-battery" in path.read_bytes()] == []


def test_a_dry_run_prints_the_plan_and_starts_nothing(adopt: Adopt) -> None:
    nox = adopt("src_layout")
    ended = nox("-s", "unit-3.10", "--", "--dry-run")
    assert ended.code == 0
    assert '"session": "unit-3.10"' in ended.output
    assert not (nox.folder / ".noxlib" / "runs").exists()
