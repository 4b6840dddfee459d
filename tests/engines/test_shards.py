"""Suites in several places at once: exact counts whatever is killed, nothing left, one record and one coverage."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.records import merging, result, store

from .checks import left_of_state, read, told
from .conftest import Nox, wait_until

if TYPE_CHECKING:
    from noxlib.records.store import RunFolder

Adopt = Callable[..., Nox]
MANY = """
import time

import pytest


@pytest.mark.parametrize("number", range(30))
def test_many(number):
    assert number != 11


def test_waits():
    time.sleep(600)
"""
CRASHES = """
import os

import pytest


@pytest.mark.parametrize("number", range(8))
def test_crash(number):
    if number in (3, 4):
        os._exit(0)
"""


@pytest.fixture
def nox(adopt: Adopt) -> Nox:
    found = adopt("flat")
    for path in (found.folder / "tests").iterdir():
        path.unlink()
    return found


def newest(nox: Nox) -> RunFolder:
    return store.runs(nox.folder)[0]


def reports(nox: Nox) -> str:
    """What the shards of all runs have reported by now."""
    return "".join(map(read, (nox.folder / ".noxlib" / "runs").glob("*/tasks/*/result/report.jsonl")))


def outcomes(run: RunFolder) -> dict[str, str]:
    merged = merging.Merged()
    merged.add(merging.Part("", run.name), result.events(run.path / "report.jsonl"))
    return {test.partition("::")[2]: found[""].outcome for test, found in merged}


def containers(docker: Docker, nox: Nox) -> list[str]:
    """The containers of the newest run, by the name of their shard."""
    labels = [found["Labels"] for found in docker.containers({"io.noxlib.run": ""})]
    return [label["io.noxlib.run"] for label in labels if label["io.noxlib.run"].startswith(newest(nox).name)]


@pytest.mark.docker
def test_eight_shards_of_which_one_is_killed_count_every_test_once(nox: Nox) -> None:
    (nox.folder / "tests" / "test_many.py").write_text(MANY)
    docker = Docker.connect()
    process = nox.start("-s", "unit-3.10", "--", "--place", "container", "--shards", "8")
    wait_until(lambda: "::test_waits" in reports(nox), "the test that waits")
    files = newest(nox).path.glob("tasks/*/result/report.jsonl")
    (shard,) = [file.parent.parent for file in files if "::test_waits" in read(file)]
    (killed,) = docker.containers({"io.noxlib.run": f"{newest(nox).name}-{shard.name}"})
    docker.kill(killed["Id"])
    output, _ = process.communicate(timeout=600)
    record = nox.record
    assert process.returncode == 1, output
    assert (record.outcome, record.cause) == ("failed", "killed"), output
    assert (record.counts.passed, record.counts.failed) == (29, 2), output
    assert "::test_waits ran; the rest goes on in a new one" in output
    assert len(record.tasks) == 8
    found = outcomes(newest(nox))
    expected = {f"test_many[{number}]": "failed" if number == 11 else "passed" for number in range(30)}
    assert found == {**expected, "test_waits": "crashed"}
    assert (newest(nox).path / "junit.xml").read_text().count("<testcase") == 31
    assert containers(docker, nox) == []
    docker.close()


@pytest.mark.docker
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_shards_that_are_interrupted_leave_a_record_and_nothing_else(
    nox: Nox, own_state: Path, number: signal.Signals
) -> None:
    (nox.folder / "tests" / "test_many.py").write_text(MANY)
    docker = Docker.connect()
    process = nox.start("-s", "unit-3.10", "--", "--place", "container", "--shards", "2")
    wait_until(lambda: "::test_waits" in reports(nox), "the test that waits")
    run = newest(nox)
    wait_until(lambda: reports(nox).count('"outcome"') == 30, "the end of all others")
    process.send_signal(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode != 0, output
    assert "Traceback" not in output
    wait_until(lambda: containers(docker, nox) == [], "the end of its containers")
    wait_until(lambda: nox("-s", "reap").code == 0 and left_of_state(own_state) == [], "the end of its processes")
    record = store.read_record(run.path)
    assert record.outcome == "cancelled", output
    assert (record.counts.passed, record.counts.failed >= 1) == (29, True)
    docker.close()


def test_virtual_environments_share_a_suite_and_its_coverage(nox: Nox) -> None:
    (nox.folder / "noxlib.toml").write_text('packages = ["coverage"]\n')
    (nox.folder / "tests" / "test_crash.py").write_text(CRASHES)
    ended = nox("-s", "unit-3.10", "--", "--place", "venv", "--shards", "2", "--coverage")
    record = nox.record
    assert ended.code == 1
    assert (record.counts.passed, record.counts.failed) == (6, 2), ended.output
    assert {failure.id.partition("::")[2] for failure in record.failures} == {"test_crash[3]", "test_crash[4]"}
    found = outcomes(newest(nox))
    assert sorted(found.values()) == ["crashed"] * 2 + ["passed"] * 6
    assert {path.suffix for path in (newest(nox).path / "coverage").iterdir()} == {".task0", ".task1"}
    again = nox("-s", "unit-3.10", "--", "--place", "venv", "--shards", "--", "-k", "not 3 and not 4")
    assert again.code == 0, again.output
    assert nox.record.counts.passed == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("unit-3.10", "--", "--shards", "0"), "'0' is no number of shards"),
        (("compose_integration-3.10", "--", "--shards", "2"), "compose_integration runs in one place"),
    ],
)
def test_what_cannot_be_cut_is_two_lines(nox: Nox, words: tuple[str, ...], said: str) -> None:
    ended = nox("-s", *words)
    assert told(ended) == 2
    assert said in ended.output
