"""Shards: the same wherever they are cut, disjoint, complete; a part that is empty fails nothing."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Callable, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.inside import result, shards
from noxlib.inside.makespan import Cost
from noxlib.records.result import read_result

REPOSITORY = Path(__file__).parents[3]
StartRun = Callable[..., Any]  # see conftest.py
IDS = st.lists(st.text(max_size=8), max_size=30)


class Item(NamedTuple):
    nodeid: str
    number: int = 0


@given(ids=IDS, count=st.integers(1, 12))
def test_shards_partition_what_was_collected(ids: list[str], count: int) -> None:
    items = [Item(test, number) for number, test in enumerate(ids)]
    parts = [shards.part(items, {}, index, count) for index in range(count)]
    assert sorted((item for part in parts for item in part.items), key=items.index) == items
    assert max(len(part.items) for part in parts) - min(len(part.items) for part in parts) <= 1  # nothing is known
    assert all(part.items == sorted(part.items, key=items.index) for part in parts)  # in the order of the collection
    assert len({part.digest for part in parts}) == 1


@given(ids=st.lists(st.text(max_size=8), max_size=30, unique=True), count=st.integers(1, 12), data=st.data())
def test_shards_do_not_depend_on_the_order_of_the_collection(ids: list[str], count: int, data: st.DataObject) -> None:
    items = [Item(test) for test in ids]
    shuffled = data.draw(st.permutations(items))
    for index in range(count):
        one, other = shards.part(items, {}, index, count), shards.part(shuffled, {}, index, count)
        assert (set(one.items), one.digest) == (set(other.items), other.digest)


def test_the_digest_tells_of_another_collection_and_of_another_cut() -> None:
    items = [Item(name) for name in "abcd"]
    slow = {"a": Cost(0, 9), "b": Cost(0, 1), "c": Cost(0, 1), "d": Cost(0, 1)}
    cuts = [(items, {}, 2), (items[:3], {}, 2), (items, {}, 3), (items, slow, 2)]
    assert len({shards.part(found, recorded, 0, count).digest for found, recorded, count in cuts}) == len(cuts)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, (0, 1)),
        ({"OMPI_COMM_WORLD_RANK": "2", "OMPI_COMM_WORLD_SIZE": "3"}, (2, 3)),
        ({"PMI_RANK": "0", "PMI_SIZE": "4"}, (0, 4)),
        ({"SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "6"}, (5, 6)),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "6"}, (0, 1)),  # Slurm's batch script, where no other rank runs
        ({"PMI_RANK": "4", "PMI_SIZE": "4"}, (0, 1)),
        ({"PMI_RANK": "x", "PMI_SIZE": "4"}, (0, 1)),
    ],
)
def test_a_rank_is_known_by_what_its_launcher_sets(environ: dict[str, str], expected: tuple[int, int]) -> None:
    assert shards.rank(environ) == expected


@pytest.mark.parametrize("shard", [[2, 2], [-1, 2], [0, 0]])
def test_a_part_that_there_is_not_is_refused(shard: list[int]) -> None:
    with pytest.raises(ValueError, match="there is no shard"):
        shards.checked(*shard)


@pytest.mark.parametrize("index", [0, 1, 2, 3, 4, 5])
def test_a_shard_runs_its_part_and_an_empty_one_is_no_failure(index: int, run: StartRun) -> None:
    done = run("src_layout", select="not integration", shard=[index, 6])
    read = read_result(Path(done.folder, "result"))
    assert read is not None
    assert read.shard is not None
    assert (read.shard.index, read.shard.count, read.shard.total) == (index, 6, 5)
    assert done.code == 0, done.output
    expected = {"deselected": 1} if index == 5 else {"passed": 1, "deselected": 1}
    assert done.counts == expected
    assert (done.result["cause"] == "empty-shard") == (index == 5)
    assert result.outcome(done.result) == "passed"
    assert f"noxlib: shard {index} of 6: {expected.get('passed', 0)} of 5 tests" in done.output


SHARED = """
import pytest

@pytest.fixture(scope="module")
def machine(): ...

@pytest.fixture(scope="class", params=[1, 2])
def service(request): ...

class TestService:
    def test_service(self, service): ...

class TestMachine:
    def test_machine(self, machine): ...

def test_alone(): ...
"""


PRINTS = """
import json, sys, pytest
from noxlib.inside import shards

class Plugin:
    def pytest_collection_modifyitems(self, items):
        print("shared", json.dumps({item.name: list(shards.shared(item)) for item in items}))

pytest.main(["-q", "--collect-only", "-p", "no:cacheprovider", sys.argv[1]], plugins=[Plugin()])
"""


def test_tests_share_what_their_fixtures_are_set_up_for(tmp_path: Path) -> None:
    (tmp_path / "one" / "two").mkdir(parents=True)
    for folder in ("one", "one/two"):
        (tmp_path / folder / "__init__.py").touch()
    fixture = "import pytest\n@pytest.fixture(scope='package', autouse=True)\ndef shared(): ...\n"
    (tmp_path / "one" / "conftest.py").write_text(fixture)
    (tmp_path / "one" / "two" / "test_package.py").write_text("def test_package(): ...\n")
    (tmp_path / "test_it.py").write_text(SHARED)
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(REPOSITORY)}
    argv = (sys.executable, "-c", PRINTS, str(tmp_path))
    out = subprocess.run(argv, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("shared "))
    assert json.loads(line.partition(" ")[2]) == {
        "test_service[1]": ["class test_it.py::TestService[service=0]"],
        "test_service[2]": ["class test_it.py::TestService[service=1]"],
        "test_machine": ["module test_it.py"],
        "test_alone": [],
        "test_package": ["package one"],
    }


@pytest.mark.parametrize("words", [(), ("-p", "xdist.plugin", "-n2")], ids=["one process", "workers"])
def test_recorded_durations_decide(run: StartRun, tmp_path: Path, words: tuple[str, ...]) -> None:
    seconds = {"test_counts": [0.5, 59.5], "test_slow": [0, 0.1], "test_as_a_program": [0, 0.1]}
    recorded = {f"tests/test_count.py::{name}": cost for name, cost in seconds.items()}
    file = tmp_path / "durations.json.gz"
    file.write_bytes(gzip.compress(json.dumps(recorded).encode()))
    assert shards.read(str(file))["tests/test_count.py::test_counts"] == Cost(500_000, 59_500_000)
    assert shards.read("") == shards.read("/no/such/file") == {}
    done = run("src_layout", *words, select="not integration", shard=[0, 2], durations="durations.json.gz")
    assert [line["id"] for line in done.lines if line["event"] == "end"] == ["tests/test_count.py::test_counts"]


def test_workers_choose_within_the_shard(run: StartRun) -> None:
    done = run("src_layout", "-p", "xdist.plugin", "-n2", select="not integration", shard=[1, 2])
    assert done.counts == {"passed": 2, "deselected": 1}, done.output
    assert done.result["shard"]["total"] == 5


def test_a_shard_of_nothing_is_no_success(run: StartRun) -> None:
    done = run("src_layout", "-k", "no_such_test", shard=[1, 2])
    assert (done.code, done.result["cause"]) == (5, "all-deselected")


def test_ranks_share_the_tests_out(run: StartRun) -> None:
    ranks = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "3"}
    profile = {"name": "hpc", "timeout_multiplier": 1.0, "concurrent": 1, "large_files": True, "backends": []}
    words = ["--noxlib-distributed"]
    done = run("src_layout", *words, select="not integration", environment=ranks, profile=profile)
    assert done.counts == {"passed": 2, "deselected": 1}, done.output


XDIST = ("-p", "xdist.plugin", "-n1")


@pytest.mark.parametrize(("rank", "tests", "words"), [(0, 1, ()), (1, 1, XDIST), (2, 0, ()), (2, 0, XDIST)])
def test_ranks_share_the_tests_out_without_a_session_too(
    tmp_path: Path, rank: int, tests: int, words: tuple[str, ...]
) -> None:
    (tmp_path / "test_it.py").write_text("def test_a(): ...\ndef test_b(): ...\n")
    ranks = {
        "PMI_RANK": str(rank),
        "PMI_SIZE": "3",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTHONPATH": str(REPOSITORY),
    }
    ours = ("-p", "noxlib.inside.plugin", "-p", "no:cacheprovider", "--distributed")
    environment = {name: value for name, value in os.environ.items() if name != "NOXLIB_TASK"}
    argv = (sys.executable, "-m", "pytest", *ours, *words, str(tmp_path))
    done = subprocess.run(argv, env={**environment, **ranks}, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"noxlib: shard {rank} of 3: {tests} of 2 tests" in done.stdout
    assert f"{tests} passed" in done.stdout or not tests


GROUPED = """
import os, pytest

@pytest.mark.parametrize("number", range(12))
def test_grouped(number):
    with open(os.environ["WORKERS"], "a") as stream:
        stream.write(os.environ["PYTEST_XDIST_WORKER"] + "\\n")
"""


def test_groups_of_xdist_hold_within_a_shard(start: StartRun, tmp_path: Path) -> None:
    environment = {"WORKERS": str(tmp_path / "workers")}
    words = ("-p", "xdist.plugin", "-n2", "--dist=loadfile", str(tmp_path / "test_grouped.py"))
    (tmp_path / "test_grouped.py").write_text(GROUPED)
    done = start("src_layout", *words, environment=environment, shard=[0, 2]).finish()
    assert done.counts == {"passed": 6}, done.output
    workers = (tmp_path / "workers").read_text().split()
    assert (len(workers), len(set(workers))) == (6, 1)
