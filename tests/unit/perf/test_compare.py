"""From samples to a section of the record; what one side alone has is named, nothing compared is an error."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from noxlib.errors import UsageError
from noxlib.perf import sampling
from noxlib.perf.compare import compare

importlib.import_module("scipy.stats")  # seconds on a busy machine: before the first test, not within it
COMMITS = ("a" * 40, "b" * 40)


def rounds(**seconds: float) -> list[dict[str, float]]:
    """Five rounds in which each benchmark takes its seconds, a little more each time."""
    return [{name: value * (1 + number / 1000) for name, value in seconds.items()} for number in range(5)]


def test_each_benchmark_of_both_sides_gets_a_verdict() -> None:
    found = compare(rounds(one=1.0, two=1.0, gone=1.0), rounds(one=2.0, two=1.0, new=1.0), 5, commits=COMMITS)
    assert [(one.name, one.verdict) for one in found.benchmarks] == [("one", "slower"), ("two", "same")]
    assert (found.only_base, found.only_head) == (("gone",), ("new",))
    assert (found.base, found.head, found.rounds, found.threshold) == (*COMMITS, 5, 5)
    assert found.benchmarks[0].ratio == pytest.approx(2.0)
    assert (found.benchmarks[0].base, found.benchmarks[0].head) == pytest.approx((1.002, 2.004))


@pytest.mark.parametrize(("base", "head"), [({}, {}), ({"old": 1.0}, {}), ({}, {"new": 1.0}), ({"a": 1.0}, {"b": 1.0})])
def test_zero_benchmarks_are_an_error(base: dict[str, float], head: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="nothing was compared") as caught:
        compare(rounds(**base), rounds(**head), 5, commits=COMMITS)
    assert caught.value.cause == "no-benchmarks"


def test_a_benchmark_that_one_round_lacks_is_not_compared() -> None:
    base, head = rounds(one=1.0, two=1.0), rounds(one=1.0, two=1.0)
    del head[3]["two"]
    found = compare(base, head, 5, commits=COMMITS)
    assert ([one.name for one in found.benchmarks], found.only_base) == (["one"], ("two",))


def test_the_order_alternates() -> None:
    assert list(sampling.orders(3)) == [("base", "head"), ("head", "base"), ("base", "head")]


def benchmark(name: str, median: object) -> dict[str, object]:
    return {"fullname": name, "stats": {"median": median, "mean": 1.0}, "extra": None}


def test_a_file_of_pytest_benchmark_is_read(tmp_path: Path) -> None:
    found = {"machine_info": {}, "benchmarks": [benchmark("a.py::test", 0.5), benchmark("zero", 0.0)]}
    (tmp_path / sampling.FILE).write_text(json.dumps(found))
    assert sampling.read(tmp_path) == {"a.py::test": 0.5}


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"benchmarks": 3}', '{"benchmarks": [{"fullname": "x"}]}', '{"benchmarks": []}', "[" * 99999],
)
def test_a_file_that_is_none_holds_no_benchmark(tmp_path: Path, text: str) -> None:
    (tmp_path / sampling.FILE).write_text(text)
    assert sampling.read(tmp_path) == {}


@pytest.mark.parametrize("median", ["NaN", "Infinity", "-1.0"])
def test_a_time_that_cannot_be_is_left_out(tmp_path: Path, median: str) -> None:
    text = '{"benchmarks": [{"fullname": "x", "stats": {"median": %s}}]}'
    (tmp_path / sampling.FILE).write_text(text % median)
    assert sampling.read(tmp_path) == {}


def test_a_link_in_the_place_of_the_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "else.json").write_text(json.dumps({"benchmarks": [benchmark("x", 1.0)]}))
    (tmp_path / sampling.FILE).symlink_to(tmp_path / "else.json")
    assert sampling.read(tmp_path) == {}


def test_control_characters_of_a_name_are_escaped(tmp_path: Path) -> None:
    (tmp_path / sampling.FILE).write_text(json.dumps({"benchmarks": [benchmark("a\x1b[31m", 1.0)]}))
    assert sampling.read(tmp_path) == {"a\\x1b[31m": 1.0}
