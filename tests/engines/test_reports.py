"""Reports, alerts and reproduction, of runs that really were: the records of small projects in containers."""

from __future__ import annotations

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import msgspec
import pytest

from noxlib.engines.docker import Docker
from noxlib.records import store
from tests.unit.engines.test_webhook import TOKEN, Server, webhook_server

from .checks import commit_all, git, left_in_engine, told
from .conftest import Nox

Adopt = Callable[..., Nox]
HOSTILE = """
import os
import pytest

@pytest.mark.parametrize("name", ["a|b", "<img src=x>", "`c`", "[l](http://e.example)", "@all"])
def test_bad(name):
    assert 0, "\\x1b[31m<b>|`x`\\x00 <!channel>"

def test_good():
    pass
"""
SEEDED = """
import os

def test_seed():
    assert os.environ["PYTHONHASHSEED"] == "0", "seed " + os.environ["PYTHONHASHSEED"]
"""

pytestmark = [pytest.mark.docker]


@pytest.fixture
def nox(adopt: Adopt) -> Nox:
    return adopt("flat")


@pytest.fixture
def server() -> Iterator[Server]:
    with webhook_server() as running:
        yield running


def fail(nox: Nox, text: str = HOSTILE, **variables: str) -> str:
    """A run in a container that fails; its name."""
    (nox.folder / "tests" / "test_hostile.py").write_text(text)
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE="container", **variables)
    assert nox.record.outcome == "failed", ended.output
    return nox.record.run


def commit(nox: Nox, message: str) -> str:
    git(nox.folder, "add", "-A")
    git(nox.folder, "commit", "-q", "-m", message)
    return git(nox.folder, "rev-parse", "HEAD").strip()


def test_a_report_of_places_shows_their_records_alike(nox: Nox, tmp_path: Path) -> None:
    assert nox("-s", "unit-3.11", NOXLIB_PLACE="venv").code == 0
    fail(nox)
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    words = ("--junit", "out/all.xml", "--markdown", "out/all.md")
    ended = nox("-s", "report", "--", *words, GITHUB_STEP_SUMMARY=str(summary))
    assert ended.code == 0, ended.output
    assert "2 runs: 1 passed, 1 failed" in ended.output
    assert "test_bad[<img src=x>]" in ended.output
    assert not {"\x1b", "\x00"} & set(ended.output)
    root = ET.parse(nox.folder / "out" / "all.xml").getroot()
    assert [suite.get("name") for suite in root] == ["unit-3.10", "unit-3.11"]
    assert root.get("failures") == "5"
    markdown = (nox.folder / "out" / "all.md").read_text()
    assert summary.read_text() == "before\n" + markdown
    assert not any(text in markdown for text in ("<img", "<b>", "a|b", "`", "](", "@all"))


def test_artifacts_of_other_machines_are_read_and_what_was_lost_is_missing(nox: Nox, tmp_path: Path) -> None:
    run = fail(nox)
    for name in ("one", "two"):
        shutil.copytree(nox.folder / ".noxlib" / "runs" / run, tmp_path / "artifacts" / name / run)
    (tmp_path / "artifacts" / "two" / run / "record.json").unlink()
    shutil.rmtree(nox.folder / ".noxlib")
    ended = nox("-s", "report", "--", str(tmp_path / "artifacts"))
    assert ended.code == 0, ended.output
    assert "2 runs: 1 failed, 1 missing" in ended.output
    assert "planned, and no record was left" in ended.output


def test_a_file_that_cannot_be_written_is_two_lines(nox: Nox) -> None:
    assert nox("-s", "unit-3.10").code == 0
    for words in (("--junit", "tests"), ("--markdown", "pyproject.toml/x.md")):
        assert told(nox("-s", "report", "--", *words)) == 2
    assert told(nox("-s", "report", GITHUB_STEP_SUMMARY="/nonexistent/summary.md")) == 2


@pytest.mark.parametrize("words", [(), ("nowhere",), ("tests", "--junit", "x.xml")])
def test_a_report_of_nothing_is_two_lines(nox: Nox, words: tuple[str, ...]) -> None:
    assert told(nox("-s", "report", "--", *words)) == 2


def test_an_alert_is_posted_and_mentions_nobody(nox: Nox, server: Server) -> None:
    fail(nox)
    ended = nox("-s", "alert", ALERT_WEBHOOK_TOKEN=server.url, NO_PROXY="127.0.0.1")
    assert ended.code == 0, ended.output
    ((path, payload),) = server.got
    assert path == f"/services/{TOKEN}"
    assert payload["color"] == "danger"
    assert "🚨 CRITICAL: flat-numbers test failure" in payload["text"]
    assert "unit-3.10: failed: tests/test_hostile.py::test_bad[a|b]" in payload["text"]
    assert TOKEN not in ended.output


def test_a_webhook_that_fails_is_two_lines_and_loses_no_record(nox: Nox, server: Server) -> None:
    fail(nox)
    before = nox.record
    server.answers = [404]
    ended = nox("-s", "alert", ALERT_WEBHOOK_TOKEN=server.url, NO_PROXY="127.0.0.1")
    assert told(ended) == 2
    assert "the webhook answered 404" in ended.output
    assert TOKEN not in ended.output
    assert nox.record == before
    assert told(nox("-s", "alert")) == 2  # no URL
    assert told(nox("-s", "alert", "--", "--webhook", server.url)) == 2  # a value, not a reference
    assert len(server.got) == 1


def test_nothing_is_posted_by_a_dry_run_or_of_what_passed(nox: Nox, server: Server) -> None:
    assert nox("-s", "unit-3.10").code == 0
    ended = nox("-s", "alert", ALERT_WEBHOOK_TOKEN=server.url, NO_PROXY="127.0.0.1")
    assert (ended.code, "nothing to tell" in ended.output) == (0, True), ended.output
    fail(nox)
    ended = nox("-s", "alert", "--", "--dry-run")
    assert (ended.code, '"color": "danger"' in ended.output) == (0, True), ended.output
    assert server.got == []


def test_a_failure_is_reproduced_in_its_image_with_its_seed_though_the_checkout_asks_for_another(nox: Nox) -> None:
    fail(nox, SEEDED, PYTHONHASHSEED="77")
    first = nox.record
    pyproject = nox.folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('test = ["pytest"]', 'test = ["pytest", "iniconfig<2.1"]'))
    ended = nox("-s", "reproduce")
    assert ended.code == 1, ended.output
    assert "building the testground" not in ended.output
    record = nox.record
    assert record.testground.digest == first.testground.digest
    assert (record.counts.failed, record.counts.passed) == (1, 0)
    assert record.failures[0].message == first.failures[0].message
    assert "seed 77" in record.failures[0].message
    assert record.place is not None
    assert record.place.reason == f"recorded by {first.run}"
    assert left_in_engine(nox) == []


def test_the_code_of_then_fails_again_where_that_of_now_passes(own_state: Path, nox: Nox) -> None:
    git(nox.folder, "init", "-q", "-b", "main")
    (nox.folder / ".gitignore").write_text("__pycache__\n*.egg-info\n.pytest_cache\n")
    (nox.folder / "tests" / "test_hostile.py").write_text("def test_it():\n    assert 1 == 2\n")
    bad = commit(nox, "bad")
    run = fail(nox, "def test_it():\n    assert 1 == 2\n")
    (nox.folder / "tests" / "test_hostile.py").write_text("def test_it():\n    assert 2 == 2\n")
    good = commit(nox, "good")
    ended = nox("-s", "reproduce", "--", run)
    assert ended.code == 0, ended.output
    assert f"was of {bad[:12]}, here is {good[:12]}" in ended.output
    assert nox("-s", "reproduce", "--", "--at-commit", run).code == 1
    record = nox.record
    assert (record.source.commit, record.source.dirty, record.written_back) == (bad, False, ())
    assert [failure.message for failure in record.failures] == ["assert 1 == 2"]
    assert git(nox.folder, "status", "--porcelain") == ""
    assert list((own_state / "checkouts").iterdir()) == []


def test_an_image_that_is_not_here_is_two_lines_and_pulled_from_nowhere_else(nox: Nox) -> None:
    run = fail(nox)
    path = nox.folder / ".noxlib" / "runs" / run
    record = store.read_record(path)
    image = "evil.example/image@sha256:" + "1" * 64
    ground = msgspec.structs.replace(record.testground, digest="sha256:" + "1" * 64, image=image)
    (path / "record.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(record, testground=ground)))
    ended = nox("-s", "reproduce", "--", run)
    assert told(ended) == 2
    assert "is not in the engine" in ended.output
    assert "pulling" not in ended.output


def test_an_image_that_is_no_testground_is_never_run(nox: Nox) -> None:
    run = fail(nox)
    path = nox.folder / ".noxlib" / "runs" / run
    record = store.read_record(path)
    other = Docker.connect().image("python:3.10-slim")
    assert other is not None
    ground = msgspec.structs.replace(record.testground, digest=other.id)
    (path / "record.json").write_bytes(msgspec.json.encode(msgspec.structs.replace(record, testground=ground)))
    ended = nox("-s", "reproduce", "--", run)
    assert told(ended) == 2
    assert "is no testground of noxlib's" in ended.output


@pytest.mark.parametrize("words", [(), ("nope",), ("a", "b", "c"), ("a::b", "--keep")])
def test_what_cannot_be_reproduced_is_two_lines(nox: Nox, words: tuple[str, ...]) -> None:
    assert told(nox("-s", "reproduce", "--", *words)) == 2


def test_a_run_in_a_virtual_environment_says_what_to_do_instead(nox: Nox) -> None:
    (nox.folder / "tests" / "test_hostile.py").write_text("def test_it(): assert 0\n")
    assert nox("-s", "unit-3.10", NOXLIB_PLACE="venv").code == 1
    ended = nox("-s", "reproduce")
    assert told(ended) == 2
    assert "nox -s unit-3.10 -- tests/test_hostile.py::test_it" in ended.output


def test_a_dry_run_prints_the_plan_and_runs_nothing(nox: Nox) -> None:
    commit_all(nox.folder)
    run = fail(nox)
    ended = nox("-s", "reproduce", "--", "--dry-run")
    plan = json.loads(ended.output[ended.output.index("{") : ended.output.rindex("}") + 1])
    assert plan["task"]["arguments"] == ["tests/test_hostile.py::test_bad[a|b]"]
    assert plan["place_reason"] == f"recorded by {run}"
    assert nox.record.run == run
