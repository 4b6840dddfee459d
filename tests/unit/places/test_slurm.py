"""Slurm without a cluster: what each end means, what sbatch is told, what the job script and the order hold."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from noxlib.engines import images
from noxlib.engines import slurm as engine
from noxlib.engines.process import Completed
from noxlib.engines.slurm import CLEAN, Here, Slurm
from noxlib.engines.slurm_text import Task
from noxlib.errors import EngineError, PlaceError
from noxlib.places import slurm as slurm_tasks
from noxlib.places import slurm_job, slurm_outcome
from noxlib.places.host import Exit
from noxlib.places.scheduler import HostTask
from noxlib.places.slurm import Slurm as SlurmTasks
from noxlib.places.slurm_job import Nodes, Way
from noxlib.places.slurm_outcome import UNPREPARED
from noxlib.places.supervised import NO_ROOM
from noxlib.plan import Limits
from noxlib.testground import sif
from noxlib.testground.sif_found import Found

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noxlib.engines.docker import Docker

NODES = Nodes("/sif/a b.sif", "/opt/testground/bin/python", Path())
WAY = Way(NODES, "/shared/runs/r1", "r1")


@pytest.mark.parametrize(
    ("task", "exit_", "expected"),
    [
        (Task(0, "COMPLETED", 0, node="c1"), Exit(0), ("done", Exit(0), None)),
        (Task(0, "FAILED", 3, node="c1"), Exit(3), ("done", Exit(3), None)),
        (Task(0, "FAILED", 137, node="c1"), Exit(137, "signal"), ("done", Exit(137, "signal"), None)),
        (Task(0, "COMPLETED", 0, node="c1"), None, ("failed", None, "lost")),
        (Task(0, "FAILED", 0, 9, node="c1"), None, ("done", Exit(137, "signal"), None)),
        (Task(0, "FAILED", 137, node="c1"), None, ("done", Exit(137, "signal"), None)),
        (Task(0, "FAILED", 255, node="c1"), None, ("failed", None, "lost")),
        (Task(0, "FAILED", 0, 53), None, ("failed", None, "lost")),
        (Task(0, "FAILED", 127, node="c1"), None, ("failed", None, "lost")),
        (Task(0, "FAILED", UNPREPARED, node="c1"), None, ("failed", None, "node")),
        (Task(0, "FAILED", NO_ROOM, node="c1"), None, ("failed", None, "disk-full")),
        (Task(0, "FAILED", NO_ROOM, node="c1"), Exit(NO_ROOM), ("done", Exit(NO_ROOM), None)),
        (Task(0, "TIMEOUT", 0, node="c1"), None, ("done", Exit(143, "timeout"), None)),
        (Task(0, "TIMEOUT", 0, node="c1"), Exit(9, "cancelled"), ("done", Exit(9, "timeout"), None)),
        (Task(0, "DEADLINE"), None, ("done", Exit(143, "timeout"), None)),
        (Task(0, "CANCELLED"), None, ("cancelled", None, "cancelled")),
        (Task(0, "CANCELLED", node="c1"), Exit(0, "cancelled"), ("cancelled", None, "cancelled")),
        (Task(0, "NODE_FAIL", 1, node="c2"), Exit(0), ("failed", None, "node-fail")),
        (Task(0, "BOOT_FAIL"), None, ("failed", None, "node-fail")),
        (Task(0, "PREEMPTED", node="c2"), None, ("failed", None, "preempted")),
        (Task(0, "OUT_OF_MEMORY", node="c2"), None, ("done", Exit(137, "out-of-memory", oom=True), None)),
        (None, Exit(0), ("done", Exit(0), None)),
        (None, None, ("failed", None, "lost")),
    ],
)
def test_the_state_and_the_result_file_are_taken_together(
    task: Task | None, exit_: Exit | None, expected: tuple[str, Exit | None, str | None]
) -> None:
    result = slurm_outcome.result(task, exit_)
    assert (result.state, result.exit, result.cause) == expected
    assert result.message or result.exit


def test_what_the_task_said_last_explains_a_loss() -> None:
    result = slurm_outcome.result(Task(0, "FAILED", 255, node="c1"), None, "FATAL: no space left on device")
    assert result.message == (
        "FAILED with exit code 255 on c1, and it left no result; it said: FATAL: no space left on device"
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("PENDING", "waiting"),
        ("COMPLETING", "running"),
        ("CANCELLED", "cancelled"),
        ("TIMEOUT", "done"),
        ("NODE_FAIL", "failed"),
    ],
)
def test_a_state_in_general_words(word: str, expected: str) -> None:
    assert slurm_outcome.state(Task(0, word)) == expected
    assert slurm_outcome.state(None) == "failed"


def test_sbatch_is_told_all_and_the_users_own_words_come_last() -> None:
    limits = Limits(timeout=615.0, memory=512 << 20, cpus=1.5, disk=1 << 30)
    tasks = (HostTask((), limits=limits),) * 3
    words = slurm_job.words(Way(NODES, "/shared/runs/r1", "r1", options=("--partition=p", "--requeue")), tasks)
    assert words == (
        "--job-name=noxlib-r1",
        "--array=0-2",
        "--output=/shared/runs/r1/tasks/%a/output.log",
        "--chdir=/shared/runs/r1",
        "--time=12",
        "--nodes=1",
        "--ntasks=1",
        "--no-requeue",
        "--kill-on-invalid-dep=yes",
        "--mem=524288K",
        "--cpus-per-task=2",
        "--tmp=1048576K",
        "--partition=p",
        "--requeue",
    )
    assert "--time=1-0" in slurm_job.words(Way(NODES, "/f", "r", time="1-0"), tasks)


def test_the_job_script_is_a_script_and_quotes_what_it_is_given(tmp_path: Path) -> None:
    hostile = "/shared/$(touch pwned)/'x"
    text = slurm_job.script(
        Way(Nodes("/a b`id`.sif", "python", tmp_path, prepared_site=tmp_path), hostile, "run\nrm -rf /")
    )
    assert text.splitlines()[0] == "#!/bin/bash"
    assert subprocess.run(("bash", "-n"), input=text, text=True, capture_output=True, check=False).stderr == ""
    assert "'/a b`id`.sif'" in text
    assert "rm -rf /\n" not in text.replace("# run rm -rf /", "")
    assert "/opt/noxlib/site:ro" in text
    assert "$folder/slots:/opt/noxlib/run/result/slots," in text


@pytest.mark.parametrize(
    ("said", "code"), [("tar: x: Cannot write: No space left on device", NO_ROOM), ("tar: damaged", UNPREPARED)]
)
def test_a_workspace_that_cannot_be_laid_out_ends_the_task_with_a_code_of_its_own(
    tmp_path: Path, said: str, code: int
) -> None:
    (tmp_path / "job.sh").write_text(slurm_job.script(Way(NODES, str(tmp_path / "run"), "r")))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tar").write_text(f"#!/bin/sh\necho '{said}' >&2\necho 'tar: Exiting'\nexit 2\n")
    (tmp_path / "bin" / "tar").chmod(0o755)
    (tmp_path / "node").mkdir()
    given = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": "0", "TMPDIR": str(tmp_path / "node")}
    done = subprocess.run(("bash", tmp_path / "job.sh"), env=given, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, f"{said}\ntar: Exiting\n")
    assert list((tmp_path / "node").iterdir()) == []


def test_the_order_holds_the_whole_environment_of_a_task() -> None:
    way = Way(Nodes("s", "python", Path(), environment={"A": "image", "B": "image"}), "/f", "r")
    found = json.loads(slurm_job.order(way, HostTask(("python", "x"), {"A": "own"}, limits=Limits(timeout=7.0))))
    assert found["environment"] == {"A": "own", "B": "image"}
    assert (found["argv"], found["timeout"], found["cwd"]) == (["python", "x"], 7.0, "/workspace")
    assert "task" not in found


def test_the_order_of_tests_names_their_task(tmp_path: Path) -> None:
    task = HostTask(("python", "x"), files=((str(tmp_path / "one.json"), "task.json"),))
    assert json.loads(slurm_job.order(WAY, task))["task"] == "/opt/noxlib/run/task.json"


class Recorder(Here):
    """A runner whose commands answer as told; what it was fed is kept."""

    def __init__(self, answers: dict[str, Completed]) -> None:
        self.answers = answers
        self.called: list[tuple[str, ...]] = []

    def run(self, argv: Sequence[str], **_: Any) -> Completed:
        words = tuple(argv[4:] if argv[:2] == ("sh", "-c") and argv[2] == CLEAN else argv)
        self.called.append(words)
        return self.answers.get(words[0], Completed(0, "", ""))


def test_a_refusal_of_sbatch_is_two_lines() -> None:
    said = "sbatch: error: Batch job submission failed: Invalid account"
    with pytest.raises(PlaceError, match=r"sbatch refuses the job: .*Invalid account"):
        Slurm(Recorder({"sbatch": Completed(1, "", said)})).submit("job.sh", ())
    with pytest.raises(PlaceError, match="there is no sbatch"):
        Slurm(Recorder({"sbatch": Completed(127, "", "sh: exec: sbatch: not found")})).submit("job.sh", ())


def test_the_accounting_is_not_asked_while_the_queue_knows_all() -> None:
    runner = Recorder({"squeue": Completed(0, "7_0|RUNNING|c1|None|100\n", "")})
    assert Slurm(runner).tasks("7") == {0: Task(0, "RUNNING", node="c1", reason="None")}
    assert [words[0] for words in runner.called] == ["squeue"]


def test_without_accounting_the_controller_is_asked_and_the_accounting_left_alone_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine, "SILENT_SECONDS", 3600.0)  # for a machine that is busy
    told = "JobId=8 ArrayJobId=7 ArrayTaskId=0 JobState=FAILED ExitCode=3:0 NodeList=c1 RunTime=00:00:01\n"
    failed = Completed(1, "", "Slurm accounting storage is disabled")
    runner = Recorder(
        {"sacct": failed, "scontrol": Completed(0, told, ""), "squeue": Completed(1, "", "Invalid job id")}
    )
    slurm = Slurm(runner)
    for _ in range(2):
        assert slurm.tasks("7")[0].code == 3
    assert [words[0] for words in runner.called] == ["squeue", "sacct", "scontrol", "squeue", "scontrol"]


BUSY = Completed(1, "", "slurm_load_jobs error: Socket timed out on send/recv operation")
ENDED = "7_0|COMPLETED|c1|None|100\n"


def test_a_cluster_that_does_not_answer_has_said_nothing_of_the_job() -> None:
    with pytest.raises(EngineError, match="the cluster does not answer"):
        Slurm(Recorder({"squeue": BUSY, "scontrol": BUSY})).tasks("7")
    assert Slurm(Recorder({"squeue": BUSY})).tasks("7") == {}


def test_a_task_is_waited_for_however_long_nobody_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Recorder({"squeue": BUSY, "scontrol": BUSY})
    slurm = SlurmTasks(runner, job=slurm_job.Job("7", "/f", 100.0, (HostTask(()),)))
    monkeypatch.setattr(slurm_tasks, "LATE", 0.0)
    monkeypatch.setattr(slurm, "_reconnect", lambda: runner.answers.update(squeue=Completed(0, ENDED, "")))
    ended = slurm.wait(0)
    assert ended is not None
    assert ended.state == "COMPLETED"


def test_the_users_settings_do_not_reach_the_commands() -> None:
    given = {
        "PATH": "/usr/bin:/bin",
        "SBATCH_PARTITION": "x",
        "SLURM_JOB_ID": "7",
        "SQUEUE_FORMAT": "%j",
        "SLURM_CONF": "/c",
    }
    argv = ("sh", "-c", CLEAN, "sh", "env")
    shown = subprocess.run(argv, env=given, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {line.partition("=")[0] for line in shown}
    assert {"SLURM_CONF", "SLURM_TIME_FORMAT", "LC_ALL"} <= names
    assert not {"SBATCH_PARTITION", "SLURM_JOB_ID", "SQUEUE_FORMAT"} & names


def test_a_clock_that_is_none_is_told_in_two_lines() -> None:
    assert Slurm(Recorder({"date": Completed(0, "welcome\n100\n", "")})).now() == 100.0
    for said in ("welcome\n", ""):
        with pytest.raises(PlaceError, match="the login node"):
            Slurm(Recorder({"date": Completed(0, said, "")})).now()


def breaks_off(*_: object) -> Iterator[bytes]:
    """An image that does not come to its end."""
    yield b"a part"
    raise EngineError("the engine is gone", "start it")


def test_an_image_that_did_not_come_whole_is_not_left_on_the_cluster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "save", breaks_off)
    (tmp_path / "sif").mkdir()
    with pytest.raises(EngineError, match="the engine is gone"):
        sif.ensure(cast("Docker", None), "sha256:1", Slurm(Here()), str(tmp_path))
    assert list((tmp_path / "sif").iterdir()) == []


def never() -> Found:
    pytest.fail("it is there")


def test_an_apptainer_image_that_is_made_already_is_sent_instead(tmp_path: Path) -> None:
    found = Found("registry.example/demo", iter([b"S", b"IF"]))
    made = sif.ensure(cast("Docker", None), "sha256:1", Slurm(Here()), str(tmp_path), made=lambda: found)
    assert Path(made).read_bytes() == b"SIF"
    again = sif.ensure(cast("Docker", None), "sha256:1", Slurm(Here()), str(tmp_path), made=never)
    assert again == made
    assert [path.name for path in (tmp_path / "sif").iterdir()] == ["1.sif"]


def test_one_that_does_not_arrive_whole_is_made_as_if_there_were_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images, "save", breaks_off)
    found = Found("registry.example/demo", breaks_off())
    with pytest.raises(EngineError, match="the engine is gone"):  # of making it, the second one
        sif.ensure(cast("Docker", None), "sha256:1", Slurm(Here()), str(tmp_path), made=lambda: found)
    assert list((tmp_path / "sif").iterdir()) == []


def test_what_a_killed_sender_left_goes_with_the_next_one(tmp_path: Path) -> None:
    for name, age in (("old.sif.1.tar", 2), ("young.sif.2.tar", 0), ("old.sif", 2)):
        (tmp_path / name).write_text("x")
        when = time.time() - age * 24 * 3600
        os.utime(tmp_path / name, (when, when))
    Here().feed(("sh", "-c", sif._RECEIVE, "sh", f"{tmp_path}/new.tar"), [b"new"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.tar", "old.sif", "young.sif.2.tar"]


def test_a_sif_that_no_run_took_for_long_goes_unless_a_run_that_waits_names_it(tmp_path: Path) -> None:
    (tmp_path / "sif").mkdir()
    (tmp_path / "runs" / "waits").mkdir(parents=True)
    (tmp_path / "runs" / "waits" / "job.sh").write_text("apptainer exec /home/you/sif/waited.sif python")
    for name, days in (("old.sif", 15), ("waited.sif", 15), ("young.sif", 13), ("taken.sif", 15)):
        (tmp_path / "sif" / name).write_text("x")
        when = time.time() - days * 24 * 3600
        os.utime(tmp_path / "sif" / name, (when, when))
    here = Here()
    here.run(("sh", "-c", sif._TAKE, "sh", f"{tmp_path}/sif/taken.sif"))
    here.run(("sh", "-c", sif._FORGET, "sh", str(tmp_path)))
    assert sorted(path.name for path in (tmp_path / "sif").iterdir()) == ["taken.sif", "waited.sif", "young.sif"]
    assert here.run(("sh", "-c", sif._TAKE, "sh", f"{tmp_path}/sif/none.sif"), check=False).returncode != 0


def test_here_runs_feeds_and_fetches_on_this_machine(tmp_path: Path) -> None:
    here = Here()
    here.feed(("sh", "-c", 'cat >"$1"', "sh", str(tmp_path / "f")), [b"a", b"b"])
    assert b"".join(here.fetch(("cat", str(tmp_path / "f")))) == b"ab"
    assert here.run(("cat", str(tmp_path / "f"))).stdout == "ab"
    assert here.run(("false",), check=False).returncode == 1
    for failing in (
        lambda: here.run(("false",)),
        lambda: here.feed(("false",), [b""]),
        lambda: list(here.fetch(("false",))),
    ):
        with pytest.raises(EngineError, match="false ended with 1"):
            failing()
    for absent in (
        lambda: here.run(("no-such-program",)),
        lambda: here.feed(("no-such-program",), [b""]),
        lambda: list(here.fetch(("no-such-program",))),
    ):
        with pytest.raises(EngineError, match="cannot be run here"):
            absent()


def test_all_that_a_job_needs_goes_in_one_archive_secrets_in_private_files(tmp_path: Path) -> None:
    (tmp_path / "co").mkdir()
    (tmp_path / "co" / "code.py").write_text("x = 1\n")
    (tmp_path / "task.json").write_text("{}")
    way = Way(Nodes("s", "python", tmp_path / "co"), str(tmp_path / "there"), "r")
    (tmp_path / "there").mkdir()
    task = HostTask(("x",), {"TOKEN": "s3cret"}, files=((str(tmp_path / "task.json"), "task.json"),))
    runner = Submitting({"sbatch": Completed(0, "7\n", ""), "date": Completed(0, "100\n", "")})
    job = slurm_job.submit(runner, way, (task, task))
    assert (job.id, job.submitted, len(job.tasks)) == ("7", 100.0, 2)
    there = tmp_path / "there"
    order = there / "tasks" / "1" / "order.json"
    assert "s3cret" in order.read_text()
    assert order.stat().st_mode & 0o077 == 0
    assert (there / "tasks" / "0" / "task.json").read_text() == "{}"
    assert (there / "lib" / "noxlib_inside" / "supervise.py").exists()
    with tarfile.open(there / "workspace.tar") as tar:
        assert "code.py" in [name.removeprefix("./") for name in tar.getnames()]


class Submitting(Recorder):
    """As the other, but files are really unpacked."""

    def feed(self, argv: Sequence[str], chunks: Iterable[bytes], *, through: Sequence[str] = ()) -> None:
        Here().feed(argv, chunks)


@pytest.mark.parametrize(("state", "calls"), [("RUNNING", ["squeue", "scancel"]), ("COMPLETED", ["squeue", "sacct"])])
def test_all_tasks_of_a_job_are_cancelled_by_one_call(state: str, calls: list[str]) -> None:
    queue = "".join(f"7_{index}|{state}|c1|None|100\n" for index in range(3))
    told = "".join(f"7_{index}|{state}|0:0|c1|1|100\n" for index in range(3))
    runner = Recorder({"squeue": Completed(0, queue, ""), "sacct": Completed(0, told, "")})
    stopped = SlurmTasks(runner, job=slurm_job.Job("7", "/f", 100.0, (HostTask(()),) * 3)).cancel_all()
    assert stopped == (3 if state == "RUNNING" else 0)
    assert [words[0] for words in runner.called] == calls
