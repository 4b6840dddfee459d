"""Records are written whole and without secrets, read in every version, and never missing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.owner import identity
from noxlib.places.host import Machine, Service
from noxlib.records import record as record_module
from noxlib.records import store
from noxlib.records.notices import Budget, Flaky, Notices, Quarantined
from noxlib.records.record import (
    BenchmarkSection,
    Counts,
    Failure,
    FaultSection,
    InterpreterSection,
    Leak,
    Lost,
    MocksSection,
    NeverCalled,
    PerformanceSection,
    PlaceSection,
    ProfileSection,
    Record,
    SourceSection,
    TaskSection,
    TestgroundSection,
    Unmatched,
)

if TYPE_CHECKING:
    from noxlib.plan import Plan

GOLDEN = Path(__file__).parents[2] / "golden"
START_AND_SLEEP = """
import pathlib, sys, time
from noxlib.records import store
print(store.new_run(pathlib.Path(sys.argv[1]), "unit-3.10").path, flush=True)
time.sleep(600)
"""
VERSION_1 = Record(
    run="20261121T050000Z-unit-3.10-0a1b2c",
    session="unit-3.10",
    suite="unit",
    python="3.10",
    project="thing",
    outcome="failed",
    cause="crashed",
    message="the tests' process ended by SIGSEGV while tests/test_a.py::test_b ran",
    exit_code=139,
    started="2026-11-21T05:00:00.000Z",
    ended="2026-11-21T05:00:03.200Z",
    place=PlaceSection("container", "docker 26.1.5 answers", fallback=True),
    testground=TestgroundSection("thing-testground:py3.10-abc", "sha256:1", "sha256:2", "f", "l", "uv.lock", "p"),
    source=SourceSection("0123456789abcdef", "main", dirty=True),
    interpreter=InterpreterSection("3.10.13", "CPython", "linux-x86_64"),
    counts=Counts(1, 2, 3, 4, 5, 6, 7, 8, 9, 10),
    failures=(Failure("tests/test_a.py::test_b[ü]", "call", "assert 1 == 2"),),
    select="not integration",
    seeds={"PYTHONHASHSEED": "0"},
    argv=("-x", "--token=***"),
    timings={"run": 3.2, "inside collect": 0.5},
    imports={"thing": "/workspace/src/thing/__init__.py", "other": None},
    written_back=(".pytest_cache/v/cache/lastfailed",),
    attempts=2,
    noxlib="0.1.0",
    version=1,
)
CURRENT = msgspec.structs.replace(
    VERSION_1,
    version=2,
    testground=msgspec.structs.replace(VERSION_1.testground, platform="linux/arm64"),
    profile=ProfileSection("ci", "CI is set", "basic", 2.0, 4, {"large_files = false": 3}),
    leaks=(Leak("tests/test_a.py::test_b", "the listening port 8080"),),
    notices=Notices(
        (Budget("tests/test_a.py::test_b", "memory", 160.5, 128),),
        (Flaky("tests/test_a.py::test_c", 5, 2),),
        (Quarantined("tests/test_a.py::test_d", "ada", "issue 12", "2026-12-31", "assert 1 == 2"),),
    ),
    machine=Machine("host", "Debian GNU/Linux 12 (bookworm)", "6.1.0", "tcg", "0a1b", 2.6),
    services=(Service("postgres-test", "postgres:15", 0.9),),
    mocks=MocksSection(
        (Unmatched("tests/test_a.py::test_b", "mock-admin", "GET /x"),),
        (NeverCalled("mock-admin", "POST /api/auth/token", "admin-mock.json"),),
        (Lost("mock-storage", "it does not answer"),),
    ),
    faults=(FaultSection("redis-test", "latency=200ms", 3, 1, 100, 200, 0),),
    tasks=(TaskSection(0, "12_0", "c1", "COMPLETED", "passed", None, 0, Counts(1), 3.5, 1),),
    performance=PerformanceSection(
        "0123456789abcdef",
        "working tree",
        10,
        5.0,
        0.95,
        (BenchmarkSection("tests/test_speed.py::test_sum", 0.5, 1.0, 2.0, 1.9, 2.1, "slower"),),
        ("old",),
        ("new",),
    ),
)


def minimal(**changes: object) -> Record:
    fields = {"run": "r", "session": "s", "suite": "u", "python": "3.10", "project": "p", "outcome": "passed"}
    return msgspec.convert({**fields, **changes}, Record)


def test_a_record_of_version_1_is_read() -> None:
    assert store.read_record(GOLDEN / "record-v1.json") == msgspec.structs.replace(VERSION_1, version=2)


def test_a_record_of_this_version_is_read() -> None:
    assert store.read_record(GOLDEN / f"record-v{record_module.VERSION}.json") == CURRENT


def test_the_golden_record_of_this_version_holds_every_field() -> None:
    golden = json.loads((GOLDEN / f"record-v{record_module.VERSION}.json").read_bytes())
    assert set(golden) == set(Record.__struct_fields__)


def test_a_record_comes_back_as_it_was_written(folder: store.RunFolder) -> None:
    store.write_record(folder, CURRENT)
    assert store.read_record(folder.path) == CURRENT
    assert store.read_record(folder.path / "record.json") == CURRENT
    assert [path.name for path in folder.path.glob(".tmp-*")] == []


def test_an_older_record_goes_through_the_chain_of_migrations(
    folder: store.RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "VERSION", 3)
    monkeypatch.setitem(store.MIGRATIONS, 1, lambda found: {**found, "session": found["session"] + "-2"})
    monkeypatch.setitem(store.MIGRATIONS, 2, lambda found: {**found, "session": found["session"] + "-3"})
    store.write_record(folder, minimal(version=1))
    assert (store.read_record(folder.path).session, store.read_record(folder.path).version) == ("s-2-3", 3)


def test_a_record_of_a_newer_noxlib_says_update(folder: store.RunFolder) -> None:
    store.write_record(folder, minimal(version=99))
    with pytest.raises(RecordError, match="newer noxlib") as caught:
        store.read_record(folder.path)
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"null", b"\xff", b'{"version": 1}', b'{"version": "1"}', b'{"version": 0}', b"[" * 99999],
)
def test_a_damaged_record_is_said_in_two_lines(folder: store.RunFolder, damage: bytes) -> None:
    (folder.path / "record.json").write_bytes(damage)
    with pytest.raises(RecordError, match="damaged") as caught:
        store.read_record(folder.path)
    assert len(str(caught.value).splitlines()) == 2


def test_a_record_that_is_not_there_is_said_in_two_lines(folder: store.RunFolder) -> None:
    with pytest.raises(RecordError, match="cannot be read"):
        store.read_record(folder.path)


def test_secrets_stay_out_of_plan_and_record(
    folder: store.RunFolder, plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVICE_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("A_PASSWORD", "passed")
    task = msgspec.structs.replace(plan.task, arguments=("--token=hunter2-hunter2",))
    secretive = {"OTHER_PASSWORD": "other-secret", "URL": "https://u:in-the-url@host/"}
    store.write_plan(folder, msgspec.structs.replace(plan, task=task, environment=secretive))
    store.write_record(folder, minimal(argv=["hunter2-hunter2"], message="got hunter2-hunter2", imports={"x": None}))
    text = "".join(path.read_text() for path in folder.path.glob("*.json"))
    assert not [word for word in ("hunter2", "other-secret", "in-the-url") if word in text]
    assert store.read_record(folder.path).outcome == "passed"


def test_a_killed_run_gets_its_record(checkout: Path, plan: Plan) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", START_AND_SLEEP, str(checkout)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    folder = store.RunFolder(Path(process.stdout.readline().strip()), checkout)
    store.write_plan(folder, plan)
    (folder.path / "result" / "report.jsonl").write_text(
        '{"event": "start", "id": "a"}\n{"event": "end", "id": "a", "outcome": "passed"}\n{"event": "sta'
    )
    assert store.finish_dead(checkout) == ()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert store.finish_dead(checkout) == (folder.name,)
    record = store.read_record(folder.path)
    assert (record.outcome, record.cause, record.counts.passed) == ("cancelled", "killed", 1)
    assert (record.project, record.select, record.run) == ("thing", "not slow", folder.name)
    assert store.finish_dead(checkout) == ()


def test_a_run_that_goes_on_elsewhere_is_left_alone(folder: store.RunFolder) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    (folder.path / "owner.json").write_bytes(atomic.to_json(dead))
    (folder.path / store.SUBMITTED).write_text("{}")
    assert store.finish_dead(folder.checkout) == ()
    assert not (folder.path / "record.json").exists()


def test_a_run_that_died_before_its_plan_gets_a_record_too(folder: store.RunFolder) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    (folder.path / "owner.json").write_bytes(atomic.to_json(dead))
    assert store.finish_dead(folder.checkout) == (folder.name,)
    record = store.read_record(folder.path)
    assert (record.session, record.suite, record.python, record.place) == ("unit-3.10", "unit", "3.10", None)


def test_what_was_half_written_into_a_run_by_the_dead_goes_with_its_record(folder: store.RunFolder) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    (folder.path / "owner.json").write_bytes(atomic.to_json(dead))
    half, folder_of_tests, lives = (
        folder.path / f".tmp-{owner.pid}_{owner.start}_{owner.boot}_{name}"
        for owner, name in ((dead, "abc"), (dead, "def"), (identity(), "abc"))
    )
    half.touch()
    folder_of_tests.mkdir()
    lives.touch()
    assert store.finish_dead(folder.checkout) == (folder.name,)
    assert (half.exists(), folder_of_tests.exists(), lives.exists()) == (False, True, True)


def test_a_run_whose_machine_went_down_is_lost(folder: store.RunFolder) -> None:
    machine, _, namespace = identity().boot.split(".")
    dead = msgspec.structs.replace(identity(), boot=f"{machine}.before.{namespace}")
    (folder.path / "owner.json").write_bytes(atomic.to_json(dead))
    store.finish_dead(folder.checkout)
    assert store.read_record(folder.path).cause == "lost"


@pytest.mark.parametrize("name", ["owner.json", "plan.json"])
def test_a_pipe_that_the_tests_put_in_a_runs_folder_hangs_nobody(folder: store.RunFolder, name: str) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    (folder.path / "owner.json").write_bytes(atomic.to_json(dead))
    (folder.path / name).unlink(missing_ok=True)
    os.mkfifo(folder.path / name)
    assert store.finish_dead(folder.checkout) == ((folder.name,) if name == "plan.json" else ())
