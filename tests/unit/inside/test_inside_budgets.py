"""The budget of memory, by children that take it."""

from __future__ import annotations

import json
import subprocess
import xml.etree.ElementTree as ET
from typing import Any, Callable

import pytest

from noxlib.inside import budgets
from tests.unit.inside.test_inside_run import go_on

StartRun = Callable[..., Any]  # see conftest.py
PROFILE = {"name": "own", "timeout_multiplier": 20, "concurrent": 1, "backends": ["file"], "large_files": True}
CHILD = "memory of a child"


def told(done: Any) -> dict[str, str]:
    """What of its budget each test broke."""
    return {one["test"].partition("::")[2]: one["what"] for one in done.result["notices"]["budgets"]}


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_a_test_is_told_whose_child_takes_more_than_the_budget(words: tuple[str, ...], run: StartRun) -> None:
    done = run("hungry_children", *words, profile={**PROFILE, "memory_mb": 60})
    if not words:  # under pytest-xdist another worker goes on
        assert go_on(done).returncode == 1
    assert told(done) == {
        "test_takes_it_itself": "memory",
        "test_waits_for_a_child": CHILD,
        "test_leaves_one_running": CHILD,
        "test_waits_for_a_grandchild": CHILD,
        "test_in_the_next_process": CHILD,
    }, done.output
    found = {one["test"].partition("::")[2]: one for one in done.result["notices"]["budgets"]}
    assert 60 < found["test_waits_for_a_child"]["mb"] < 180
    assert 180 < found["test_leaves_one_running"]["mb"] < 240


def test_a_child_is_told_with_its_test_in_the_output_and_in_junit(run: StartRun) -> None:
    done = run("hungry_children", "-k", "waits_for_a_child", profile={**PROFILE, "memory_mb": 60})
    assert "test_children.py::test_waits_for_a_child: memory of a child 1" in done.output
    root = ET.parse(done.folder / "result/junit.xml").getroot()
    values = [json.loads(one.attrib["value"]) for one in root.iter("property")]
    assert [(value["what"], value["budget_mb"]) for value in values] == [(CHILD, 60)]


def test_a_child_is_told_whichever_run_of_its_test_counts(run: StartRun) -> None:
    task = {"profile": {**PROFILE, "memory_mb": 60}, "reruns": {"runs": 2, "stable": ""}}
    assert told(run("hungry_children", "-k", "waits_for_a_child", **task)) == {"test_waits_for_a_child": CHILD}


def test_a_child_that_is_looked_for_can_still_be_waited_for() -> None:
    argv = ["sh", "-c", "echo up; read line; exit 7"]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"up\n"  # in the middle of exec it has next to no memory
    assert budgets.has_children()
    assert budgets.below("self")[str(process.pid)] > 0
    process.communicate(b"\n")
    assert process.returncode == 7
    assert str(process.pid) not in budgets.below("self")
