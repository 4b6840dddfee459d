"""New tests that run several times, tests in quarantine, limits that tests have met."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles
from noxlib.inside import breaches, quarantine, reruns
from noxlib.records import stable
from tests.unit.inside.test_inside_run import go_on

StartRun = Callable[..., Any]  # see conftest.py
FILE = "test_doubtful.py"
ENTRY = {"owner": "ada", "reason": "issue 12", "expires": "2999-12-31"}


def times(done: Any, name: str) -> int:
    """How often something ran."""
    path: Path = done.workspace / f"{name}.count"
    return int(path.read_text()) if path.exists() else 0


def of(*names: str) -> str:
    return "".join(sorted(stable.digest(f"{FILE}::{name}") for name in names))


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_new_tests_run_several_times_and_count_once(words: tuple[str, ...], run: StartRun) -> None:
    done = run("doubtful", *words, reruns={"runs": 5, "stable": of("test_words[a]", "test_last")})
    assert done.counts == {"passed": 4, "failed": 2}, done.output
    assert done.result["notices"]["flaky"] == [{"test": f"{FILE}::test_flaky", "runs": 5, "failed": 1}]
    ran = {name: times(done, name) for name in ("steady", "flaky", "fails", "words", "last", "own", "own_teardown")}
    assert ran == {"steady": 5, "flaky": 5, "fails": 5, "words": 6, "last": 1, "own": 10, "own_teardown": 10}
    assert (times(done, "shared"), times(done, "shared_teardown")) == (1, 1)  # of the module, once as ever
    assert "1 of 5 runs failed" in done.output
    cases = ET.parse(done.folder / "result/junit.xml").getroot().iter("testcase")
    assert len(list(cases)) == 6
    ends = [line["outcome"] for line in done.lines if line["event"] == "end"]
    assert sorted(ends) == ["failed", "failed", "passed", "passed", "passed", "passed"]


def test_without_reruns_each_test_runs_once(run: StartRun) -> None:
    done = run("doubtful", "-k", "flaky or steady")
    assert (done.counts["passed"], times(done, "flaky")) == (2, 1)
    assert done.result["notices"] == {}


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_a_failure_in_quarantine_is_told_apart_and_fails_nothing(words: tuple[str, ...], run: StartRun) -> None:
    held = [{**ENTRY, "test": f"{FILE}::test_fails"}, {**ENTRY, "test": f"{FILE}::test_steady"}]
    done = run("doubtful", *words, quarantine=held)
    assert (done.code, done.counts) == (0, {"passed": 5, "xfailed": 1}), done.output
    told = {"test": f"{FILE}::test_fails", **ENTRY, "message": "AssertionError: always"}
    assert done.result["notices"]["quarantined"] == [told]
    assert "quarantined until 2999-12-31, ada: issue 12" in done.output
    assert "names no test" not in done.output


def test_a_quarantined_test_is_not_run_again_and_the_others_fail_as_ever(run: StartRun) -> None:
    held = [{**ENTRY, "test": "*::test_fl*"}]
    done = run("doubtful", quarantine=held, reruns={"runs": 3, "stable": of("test_steady")})
    assert (done.code, times(done, "flaky"), times(done, "fails")) == (1, 1, 3)
    assert done.result["notices"]["flaky"] == []


@pytest.mark.parametrize(
    ("test", "words", "told"),
    [
        (f"{FILE}::test_gone", (), True),
        (f"{FILE}::test_gone", ("-p", "xdist.plugin", "-n1"), True),
        (f"{FILE}::test_gone", (f"{FILE}::test_steady",), False),  # not collected whole
        (f"{FILE}::test_gone", ("-p", "_pytest.cacheprovider", "--lf"), False),  # perhaps not collected whole
        (f"{FILE}::test_fails", ("-k", "steady"), False),  # deselected, but there
        ("test_elsewhere.py::test_gone", (), False),  # not collected at all
    ],
)
def test_a_quarantine_that_names_no_test_is_told(test: str, words: tuple[str, ...], told: bool, run: StartRun) -> None:
    done = run("doubtful", *words, quarantine=[{**ENTRY, "test": test}])
    assert done.code in (0, 1), done.output
    assert (f"the quarantine of {test} names no test" in done.output) is told


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n1")], ids=["alone", "xdist"])
def test_after_a_crash_what_was_told_of_tests_before_is_told_once(words: tuple[str, ...], run: StartRun) -> None:
    profile = msgspec.to_builtins(profiles.defaults()["ci"]) | {"test_timeout": 600.0}
    held = {"quarantine": [{**ENTRY, "test": f"{FILE}::test_fails"}], "profile": {**profile, "reason": "by the test"}}
    done = run("doubtful", *words, "--leaks=report", reruns={"runs": 5, "stable": ""}, **held)
    before = done.result
    assert {kind for kind, told in before["notices"].items() if told} == {"flaky", "quarantined"}, done.output
    for _ in range(2):
        again = go_on(done)
        told = {key: done.result[key] for key in ("notices", "leaks", "profile", "counts")}
        assert told == {key: before[key] for key in told}, again.stdout


def test_after_a_crash_what_a_profile_skipped_before_is_counted_once(run: StartRun) -> None:
    profile = msgspec.to_builtins(profiles.defaults()["ci"]) | {"test_timeout": 600.0}
    profile |= {"reason": "by the test", "level": "basic"}
    done = run("integration_levels", paths=["tests/integration"], profile=profile)
    skipped = done.result["profile"]["skipped"]
    assert sum(skipped.values()) == 2
    go_on(done)
    assert done.result["profile"]["skipped"] == skipped


@pytest.mark.parametrize(
    ("pattern", "test", "expected"),
    [
        ("t.py::test_a[x-[y]]", "t.py::test_a[x-[y]]", True),
        ("t.py::test_a", "t.py::test_a[ü]", True),
        ("t.py::test_*", "t.py::test_a[ü]", True),
        ("t.py::test_a", "t.py::test_ab", False),
        ("*", "t.py::test_ab", True),
        ("t.py::test_a[*-x]", "t.py::test_a[1-x]", True),
        ("[st].py::test_a[1]", "t.py::test_a[1]", True),
        ("t.py::test_a[1]", "t.py::test_a1", False),
    ],
)
def test_a_quarantine_names_a_test_its_parameters_or_many(pattern: str, test: str, expected: bool) -> None:
    assert quarantine.matches(pattern, test) is expected


@pytest.mark.parametrize("test", ["t.py::test_a", "t.py::test_a[ü\udcff]"])
def test_both_sides_shorten_a_tests_id_alike(test: str) -> None:
    assert reruns.digest(test) == stable.digest(test)
    assert (reruns.DIGITS, stable.DIGITS) == (8, 8)


def failure(message: str) -> dict[str, str]:
    return {"id": "t.py::test_a", "phase": "call", "message": message}


def test_a_full_disk_is_the_cause_of_a_failure_and_its_test_is_named(tmp_path: Path, run: StartRun) -> None:
    text = "OSError: [Errno 28] No space left on device: 'x'"
    assert breaches.of([failure("AssertionError"), failure(text)]) == ("disk-full", f"t.py::test_a: {text}")
    assert breaches.of([failure("AssertionError: [Errno 28]")]) == (None, None)
    assert breaches.of([failure("MemoryError")]) == (None, None)  # nothing limits it here
    (tmp_path / "more").mkdir()
    (tmp_path / "more/test_full.py").write_text("def test_it(): raise OSError(28, 'No space left on device', 'x')\n")
    done = run("doubtful", str(tmp_path / "more"), "--rootdir", str(tmp_path / "more"))
    assert (done.code, done.result["cause"]) == (1, "disk-full"), done.output
    assert done.result["message"] == f"test_full.py::test_it: {text}"


IN_A_SUBTEST = """
import unittest

class TestIt(unittest.TestCase):
    def test_it(self):
        with self.subTest(part=1):
            raise OSError(28, "No space left on device", "x")
"""


def test_a_full_disk_is_the_cause_of_a_subtests_failure_too(tmp_path: Path, run: StartRun) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more/test_full.py").write_text(IN_A_SUBTEST)
    done = run("doubtful", str(tmp_path / "more"), "--rootdir", str(tmp_path / "more"))
    assert (done.code, done.result["cause"]) == (1, "disk-full"), done.output
    assert done.result["message"].startswith("test_full.py::TestIt::test_it: OSError: [Errno 28]")


def test_a_broken_budget_is_in_junit_as_json(run: StartRun) -> None:
    profile = {"name": "own", "timeout_multiplier": 20, "concurrent": 1, "backends": ["file"], "large_files": True}
    done = run("profiles", "-k", "memory or disk", profile={**profile, "memory_mb": 100, "disk_mb": 200})
    found = {entry["what"]: entry for entry in done.result["notices"]["budgets"]}
    assert (found["disk"]["mb"], found["disk"]["budget_mb"]) == (300.0, 200)
    assert 150 < found["memory"]["mb"] < 250
    root = ET.parse(done.folder / "result/junit.xml").getroot()
    values = [
        json.loads(one.attrib["value"]) for one in root.iter("property") if one.attrib["name"] == "noxlib-budgets"
    ]
    assert sorted(value["what"] for value in values) == ["disk", "memory"]
    assert "over budget" in done.output
