"""Slurm's texts as data: ids, states, tables, whatever a site, a user or a version makes of them."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import slurm_text
from noxlib.engines.slurm_text import Task
from noxlib.errors import EngineError

JOBS = st.integers(min_value=1, max_value=2**31)
CLUSTERS = st.text("abcdefghijklmnopqrstuvwxyz0123456789_.-", min_size=1)
CHATTER = st.lists(st.text(st.characters(blacklist_categories=["Cs", "Cc", "Nd"]), max_size=60), max_size=4)


@given(JOBS, CLUSTERS, CHATTER, CHATTER)
def test_an_id_is_found_in_the_chatter_of_a_sites_wrapper(
    job: int, cluster: str, before: list[str], after: list[str]
) -> None:
    for line, where in ((f"{job}", ""), (f"{job};{cluster}", cluster), (f"Submitted batch job {job}", "")):
        text = "\n".join((*before, f"  {line} ", *after))
        assert slurm_text.job_id(text) == (str(job), where)


def test_sbatch_without_an_id_is_told_with_its_own_words() -> None:
    with pytest.raises(EngineError, match="it said: sbatch: error: invalid partition"):
        slurm_text.job_id("checking your quota\nsbatch: error: invalid partition specified: x\n\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123", ("123", (None,))),
        ("123_4", ("123", (4,))),
        ("123_4.batch", ("123", (4,))),
        ("123+0", ("123", (None,))),
        ("123+1.extern", ("123", (None,))),
        ("123_[5-9]", ("123", (5, 6, 7, 8, 9))),
        ("123_[0,2-3,10-20:5%2]", ("123", (0, 2, 3, 10, 15, 20))),
    ],
)
def test_an_id_names_its_tasks(text: str, expected: tuple[str, tuple[int, ...]]) -> None:
    assert slurm_text.task_ids(text) == expected


@pytest.mark.parametrize("text", ["", "x", "12_", "12_[", "12_[a]", "12_[0-99999999999]", "12_[3-]x", "12_[-]"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - int() has words of its own
        slurm_text.task_ids(text)


@given(JOBS, st.sets(st.integers(0, 3000), min_size=1, max_size=40), st.integers(1, 9))
def test_a_list_of_indices_is_read_back(job: int, indices: set[int], throttle: int) -> None:
    text = ",".join(str(index) for index in sorted(indices))
    assert slurm_text.task_ids(f"{job}_[{text}%{throttle}]") == (str(job), tuple(sorted(indices)))


@given(st.text())
def test_no_text_makes_the_readers_fail(text: str) -> None:
    for read in (slurm_text.of_sacct, slurm_text.of_squeue, slurm_text.of_scontrol):
        read(text, "12")
    slurm_text.state(text)
    slurm_text.exit_code(text)
    with contextlib.suppress(EngineError):
        assert re.fullmatch(r"\d+", slurm_text.job_id(text)[0])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("CANCELLED by 1000", "CANCELLED"), ("CANCELLED+", "CANCELLED"), ("COMPLETED", "COMPLETED"), ("", "")],
)
def test_a_state_is_its_first_word(text: str, expected: str) -> None:
    assert slurm_text.state(text) == expected


def test_accounting_tells_of_each_task_and_of_its_last_run() -> None:
    text = (
        "7_0|NODE_FAIL|1:0|c2|3|100\n"
        "7_0|COMPLETED|0:0|c1|5|100\n"
        "7_1|CANCELLED by 1000|0:15|c3|2|100\n"
        "7_1.batch|FAILED|1:0|c3|2|100\n"
        "7_[2-3]|PENDING|0:0|None assigned|0|100\n"
        "8_0|FAILED|1:0|c1|1|100\n"
    )
    assert slurm_text.of_sacct(text, "7") == {
        0: Task(0, "COMPLETED", 0, 0, "c1", 5.0, restarts=1),
        1: Task(1, "CANCELLED", 0, 15, "c3", 2.0),
        2: Task(2, "PENDING", 0, 0, "", 0.0),
        3: Task(3, "PENDING", 0, 0, "", 0.0),
    }


def test_an_older_job_of_the_same_id_is_another() -> None:
    text = "7_0|FAILED|1:0|c2|3|100\n7_0|COMPLETED|0:0|c1|5|900\n"
    assert slurm_text.of_sacct(text, "7", since=890.0) == {0: Task(0, "COMPLETED", 0, 0, "c1", 5.0)}


def test_the_queue_tells_of_what_waits_and_why() -> None:
    text = "7_[1-2]|PENDING||Resources|100\n7_0|RUNNING|c1|None|N/A\n9|RUNNING|c1|None|100\n"
    assert slurm_text.of_squeue(text, "7") == {
        0: Task(0, "RUNNING", node="c1", reason="None"),
        1: Task(1, "PENDING", reason="Resources"),
        2: Task(2, "PENDING", reason="Resources"),
    }
    assert list(slurm_text.of_squeue(text, "7", since=200.0)) == [0]  # a job of the same id, from before


def test_the_controller_tells_where_there_is_no_accounting() -> None:
    text = (
        "JobId=8 ArrayJobId=7 ArrayTaskId=1 JobName=n UserId=hpc(1000) JobState=TIMEOUT Reason=TimeLimit Restarts=0 "
        "ExitCode=0:15 RunTime=1-00:01:05 NodeList=c2 BatchHost=c2\n"
        "JobId=7 ArrayJobId=7 ArrayTaskId=2-3%1 JobState=PENDING Reason=None ExitCode=0:0 "
        "RunTime=00:00:00 NodeList=(null)\n"
    )
    found = slurm_text.of_scontrol(text, "7")
    assert found[1] == Task(1, "TIMEOUT", 0, 15, "c2", 86465.0, reason="TimeLimit")
    assert [found[index].state for index in (2, 3)] == ["PENDING", "PENDING"]
    assert [task.ended for task in found.values()] == [True, False, False]
