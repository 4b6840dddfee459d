"""Shards: the same wherever they are cut, disjoint, complete; a part that is empty fails nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.inside import result, shards
from noxlib.records.result import read_result

StartRun = Callable[..., Any]  # see conftest.py
IDS = st.lists(st.text(max_size=8), max_size=30)


@given(ids=IDS, count=st.integers(1, 12))
def test_shards_partition_what_was_collected(ids: list[str], count: int) -> None:
    tests = list(enumerate(ids))
    parts = [shards.part(tests, ids, index, count) for index in range(count)]
    assert sorted(test for part in parts for test in part) == tests
    assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert all(part == sorted(part) for part in parts)  # each in the order of the collection


@given(ids=st.lists(st.text(max_size=8), max_size=30, unique=True), count=st.integers(1, 12), data=st.data())
def test_shards_do_not_depend_on_the_order_of_the_collection(ids: list[str], count: int, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(ids))
    for index in range(count):
        assert set(shards.part(ids, ids, index, count)) == set(shards.part(shuffled, shuffled, index, count))
    assert shards.digest(ids) == shards.digest(shuffled)


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
