"""Suites in several places: how many, what each task is given, one record of all."""

from __future__ import annotations

import gzip
import json
import os
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from typing_extensions import Self

from noxlib.config.models import Config
from noxlib.errors import EngineError, RecordError, SuiteFailed, UsageError
from noxlib.places.host import Command, Exit, Layout
from noxlib.places.scheduler import Result
from noxlib.places.slurm_job import Layout as Nodes
from noxlib.plan import Limits, Plan, Task
from noxlib.records import history, store
from noxlib.records.record import TestgroundSection
from noxlib.records.store import RunFolder
from noxlib.sessions import arguments, grounds, shard_results, shard_tasks, sharded
from noxlib.sessions.arguments import Arguments
from noxlib.sessions.placing import Placement
from tests.unit.places.test_local import HereHost, seen

PLAN = Plan(
    *("unit-3.10", "unit", "3.10", "p", "venv", "asked"),
    task=Task("unit-3.10", "unit", "3.10", "/workspace", "result", timeout=60),
    limits=Limits(timeout=60),
    environment={"PYTHONHASHSEED": "7"},
)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return store.new_run(tmp_path, "unit-3.10")


def asked(*words: str) -> Arguments:
    return arguments.parse("unit-3.10", "", words, (arguments.SHARDS, arguments.KEEP))


@pytest.mark.parametrize(
    ("words", "shards", "rest"),
    [
        (("--shards", "4", "-k", "x"), "4", ("-k", "x")),
        (("--shards=4",), "4", ()),
        (("--shards",), "auto", ()),
        (("--shards", "auto", "auto"), "auto", ("auto",)),
        (("--shards", "--keep"), "auto", ()),
        (("--shards", "tests/test_a.py"), "auto", ("tests/test_a.py",)),
        (("--shards", "-1"), "-1", ()),
        ((), None, ()),
    ],
)
def test_a_number_may_follow_the_option(words: tuple[str, ...], shards: str | None, rest: tuple[str, ...]) -> None:
    found = asked(*words)
    assert (found["shards"], found.rest) == (shards, rest)


@pytest.mark.parametrize(("text", "concurrent", "expected"), [("8", 4, (8, 4)), ("2", 8, (2, 2)), ("auto", 1, (1, 1))])
def test_as_many_run_at_once_as_the_profile_allows(text: str, concurrent: int, expected: tuple[int, int]) -> None:
    found = sharded.wanted(Config(), {"concurrent": concurrent}, asked("--shards", text))
    assert (found.count, found.at_once) == expected


def test_by_itself_it_makes_no_more_parts_than_there_are_processors() -> None:
    assert sharded.wanted(Config(), {"concurrent": 9999}, asked("--shards")).count == len(os.sched_getaffinity(0))
    assert sharded.wanted(Config(), {}, asked("--shards", "2")).count == 2


@pytest.mark.parametrize(
    "words", [("--shards=0",), ("--shards=65",), ("--shards=x",), ("--shards=²",), ("--shards=2", "--pdb")]
)
def test_what_cannot_be_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        sharded.wanted(Config(), {}, asked(*words))


def test_a_task_knows_its_part_and_where_the_durations_are(run: RunFolder) -> None:
    layout: Layout = Nodes("/python")
    bare = shard_tasks.task(run, PLAN, layout, 0, 2)
    assert [name for _, name in bare.files] == ["task.json"]
    shard_tasks.write_durations(run, "unit", "3.10")
    task = shard_tasks.task(run, PLAN, layout, 1, 2)
    assert [name for _, name in task.files] == ["task.json", "durations.json.gz"]
    given = msgspec.json.decode(Path(task.files[0][0]).read_bytes(), type=Task)
    assert (given.shard, given.durations) == ((1, 2), "durations.json.gz")
    assert Path(task.log).parent.parent == shard_tasks.folder_of(run, 1)
    assert task.limits.timeout > 60


def test_durations_are_those_of_the_suite_with_the_set_up_apart(run: RunFolder) -> None:
    before = store.new_run(run.checkout, "unit-3.10")
    line = {"event": "end", "id": "a", "outcome": "passed", "duration": 1.5, "setup": 0.5}
    (before.path / "report.jsonl").write_text(json.dumps(line) + "\n")
    record = shard_results.whole(before, PLAN, shard_results.Known(), "2026-01-01T00:00:00.000Z", {})
    store.write_record(before, msgspec.structs.replace(record, outcome="passed"))
    shard_tasks.write_durations(run, "unit", "3.10")
    assert json.loads(gzip.decompress((run.path / "durations.json.gz").read_bytes())) == {"a": [0.5, 1.0]}
    shard_tasks.write_durations(run, "integration", "3.10")
    assert json.loads(gzip.decompress((run.path / "durations.json.gz").read_bytes())) == {}


def test_a_history_that_cannot_be_read_is_said_and_all_count_alike(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*_: object) -> None:
        raise RecordError("it is locked", "wait")

    monkeypatch.setattr(history.History, "ask", refuse)
    shard_tasks.write_durations(run, "unit", "3.10")
    assert "it is locked: all tests count alike (wait)" in capsys.readouterr().out


def test_each_task_of_a_run_has_a_name_of_its_own(tmp_path: Path) -> None:
    assert grounds.run_id(tmp_path / "run") == "run"
    assert grounds.run_id(tmp_path / "run" / "tasks" / "3") == "run-3"


def test_an_interrupted_part_counts_what_it_did_and_the_whole_is_cancelled(
    run: RunFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    for index in range(2):
        shard_tasks.task(run, PLAN, Nodes("/python"), index, 2)
        result = shard_tasks.folder_of(run, index) / "result"
        result.mkdir()
        line = {"event": "end", "id": f"test_{index}", "outcome": "passed", "duration": 1.0}
        (result / "report.jsonl").write_text(json.dumps(line) + "\n")
    results = {"local-1": Result("cancelled", message="cancelled while it ran", cause="cancelled")}
    results["local-2"] = Result("failed", message="its process ended with -9", cause="lost")
    record = shard_results.merged(run, PLAN, shard_results.Known(), results, "", {"run": 3.0})
    assert (record.outcome, record.cause, record.counts.passed) == ("error", "lost", 2)
    assert record.timings["run"] == 3.0
    assert [task.outcome for task in record.tasks] == ["cancelled", "error"]
    with pytest.raises(SuiteFailed, match="2 passed"):
        shard_results.tell(record, run)
    assert "  task 1: error (lost)" in capsys.readouterr().out


class Fails(HereHost):
    """A host that cannot be had as often as it is told to."""

    def __init__(self, folder: Path, times: int) -> None:
        super().__init__(folder)
        self.times = times

    def __enter__(self) -> Self:
        self.say("enter")
        if seen(self.folder).count("enter") <= self.times:
            raise EngineError("the engine stopped", "start it", cause="lost")
        return self

    def run(self, command: Command) -> Exit:
        result = self.folder / "result"
        result.mkdir()
        (result / "result.json").write_text(json.dumps({"exit_code": 0, "counts": {"passed": 1}}))
        return Exit(0)


@pytest.mark.parametrize(("times", "outcome", "passed"), [(0, "passed", 2), (1, "passed", 2), (2, "error", 1)])
def test_a_place_that_fails_before_the_first_test_is_tried_once_more(
    run: RunFolder, times: int, outcome: str, passed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def host(folder: Path, _keep: bool) -> HereHost:
        return Fails(folder, times if folder.name == "1" else 0)

    ground = grounds.Ground(Placement("venv", "asked"), TestgroundSection(), "/workspace", host)
    parts = sharded.Run(run, (PLAN, PLAN), (ground, ground), sharded.Shards(2, 2), keep=False)
    parts.carry_out()
    record = parts.record(None, {})
    assert (record.outcome, record.counts.passed) == (outcome, passed)
    assert [task.restarts for task in record.tasks] == [0, int(times > 0)]
    assert ("it is tried once more" in capsys.readouterr().out) == (times > 0)


def test_every_part_has_the_same_seed_of_hashes(tmp_path: Path) -> None:
    ground = grounds.Ground(Placement("venv", "asked"), TestgroundSection(), "/workspace", HereHost)  # type: ignore[arg-type]
    other = msgspec.structs.replace(PLAN, environment={"PYTHONHASHSEED": "8", "PYTHONPATH": "/other"})
    found = sharded.plans(lambda _: other, PLAN, (ground, ground))
    assert [plan.environment["PYTHONHASHSEED"] for plan in found] == ["7", "7"]
    assert found[1].environment["PYTHONPATH"] == "/other"


def test_the_page_shows_eight_shards_whose_counts_are_those_of_the_run() -> None:
    page = Path(__file__).parents[3] / "docs" / "shards.md"
    shown = page.read_text(encoding="utf-8").partition("```console")[2].partition("```")[0]
    parts = re.findall(r": shard \d of 8: (.+) in ", shown)
    (whole,) = re.findall(r"aborted: [^:]+: (.+?) in \d", shown)
    assert len(parts) == 8
    assert counted(*parts) == counted(whole) == {"failed": 2, "passed": 29}  # as tests/engines/test_shards.py has it


def counted(*lines: str) -> dict[str, int]:
    """``1 failed, 3 passed`` as numbers, of all lines."""
    found: Counter[str] = Counter()
    for count, word in re.findall(r"(\d+) (\w+)", " ".join(lines)):
        found[word] += int(count)
    return dict(found)
