"""Slurm on a real cluster: how each end of a job is told, and the steps as a user calls them."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines import compose
from noxlib.engines.compose import PROJECT
from noxlib.engines.docker import Docker
from noxlib.engines.slurm_cluster import Simulation
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places.host import Exit
from noxlib.places.scheduler import HostTask
from noxlib.places.slurm import Slurm
from noxlib.places.slurm_job import Job, name_of
from noxlib.records import store
from noxlib.records.record import Record
from noxlib.sessions import hpc
from tests.engines.clusters import task
from tests.engines.conftest import kill_group, wait_until

if TYPE_CHECKING:
    from tests.engines.clusters import Cluster
    from tests.engines.conftest import Nox

pytestmark = [pytest.mark.slurm, pytest.mark.docker]
BEGUN = "open('/opt/noxlib/run/begun', 'x').close(); "
SLEEP = "import time; print('up', flush=True); time.sleep(500)"
ROOT = Path(__file__).parents[2]
MEMBERS = 6  #: containers of a simulated cluster


def test_slurms_own_time_limit_is_told_apart(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co") as slurm:
        (name,) = slurm.submit((task(BEGUN + SLEEP, tmp_path / "out", timeout=600),))
        assert slurm.job is not None
        begun = f"{slurm.job.folder}/tasks/0/begun"
        # A job that is over its limit gets no step any more: it would fail by itself, before it is ended for that.
        wait_until(lambda: cluster.answers("login", "test", "-e", begun), "the task")
        limit = ("scontrol", "update", f"JobId={name}", "TimeLimit=0")
        # One that a busy controller carried out and did not answer to cannot be asked for again.
        wait_until(lambda: cluster.answers("controller", *limit) or is_now(slurm, name, "done"), "the new limit")
        result = slurm.fetch(name)
    assert (result.word, result.state, result.node[0]) == ("TIMEOUT", "done", "c")
    assert result.exit is not None
    assert result.exit.cause == "timeout"


def test_a_node_that_is_killed_is_told_and_the_task_is_not_run_again(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co", "--nodelist=c3") as slurm:
        (name,) = slurm.submit((task(SLEEP, tmp_path / "out"),))
        wait_until(lambda: is_now(slurm, name, "running"), "the task")
        cluster.docker("kill", "c3")
        try:
            down = ("scontrol", "update", "nodename=c3", "state=down", "reason=killed")
            wait_until(lambda: cluster.answers("controller", *down), "word of the node's end")
            result = slurm.fetch(name)
        finally:
            cluster.docker("start", "c3")
            wait_until(lambda: is_back(cluster, "c3"), "the node")
    assert (result.word, result.state, result.cause) == ("NODE_FAIL", "failed", "node-fail")
    assert result.message == "the node c3 failed"


def is_now(slurm: Slurm, name: str, *states: str) -> bool:
    """Whether a task is in one of these states, as far as a busy controller says."""
    with contextlib.suppress(EngineError):
        return slurm.state(name) in states
    return False


def is_back(cluster: Cluster, node: str) -> bool:
    """Whether a node that was down takes jobs; it is told to, as often as a busy controller does not listen."""
    cluster.answers("controller", "scontrol", "update", f"nodename={node}", "state=resume")
    state = cluster.root("login", "sinfo", "-h", "-n", node, "-o", "%t", check=False).strip()
    return state in ("idle", "mix", "alloc")


def test_a_task_that_takes_its_result_file_away_is_lost(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co") as slurm:
        (name,) = slurm.submit((task("import os; os.mkdir('/opt/noxlib/run/exit.json')", tmp_path / "out"),))
        result = slurm.fetch(name)
    assert (result.state, result.exit, result.cause) == ("failed", None, "lost")


FILLS = """
import itertools
try:
    with open("/opt/noxlib/run/filler", "wb", buffering=0) as stream:
        for _ in itertools.count():
            stream.write(bytes(512))
except OSError:
    print("full")
"""


def test_a_disk_without_room_for_the_result_is_told(cluster: Cluster, tmp_path: Path) -> None:
    small = 'cp -a "$1" /tmp/its && mount -t tmpfs -o size=100k,mode=777 small "$1" && cp -a /tmp/its/. "$1"'
    with cluster.scheduler(tmp_path / "co", "--nodelist=c1", "--hold") as slurm:
        (name,) = slurm.submit((task(FILLS, tmp_path / "out"),))
        job = slurm.job
        assert job is not None
        folder = f"{job.folder}/tasks/0"
        cluster.privileged("c1", "sh", "-c", small, "sh", folder)
        try:
            release = ("scontrol", "release", job.id)
            begun = ("running", "done")
            wait_until(lambda: cluster.answers("controller", *release) or is_now(slurm, name, *begun), "its start")
            result = slurm.fetch(name)
        finally:
            cluster.privileged("c1", "sh", "-c", 'umount -l "$1"; rm -rf /tmp/its', "sh", folder)
    assert (result.word, result.state, result.exit, result.cause) == ("FAILED", "failed", None, "disk-full")
    assert "a disk is full on c1" in result.message


def test_without_accounting_the_controller_is_asked(cluster: Cluster, tmp_path: Path) -> None:
    cluster.docker("kill", "accounting")
    try:
        with cluster.scheduler(tmp_path / "co") as slurm:
            ids = slurm.submit((task("print('one')", tmp_path / "0"), task("raise SystemExit(3)", tmp_path / "1")))
            results = [slurm.fetch(one) for one in ids]
    finally:
        cluster.docker("start", "accounting")
    assert [(result.word, result.exit) for result in results] == [("COMPLETED", Exit(0)), ("FAILED", Exit(3))]


def test_the_settings_of_two_users_change_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """Both kinds of people: one whose formats hide what we read, one whose defaults send jobs elsewhere."""
    for settings in (
        "SQUEUE_FORMAT=%j SQUEUE_SORT=-i SACCT_FORMAT=JobName SACCT_TIMEFORMAT=%c SLURM_TIME_FORMAT=relative",
        "SBATCH_PARTITION=nowhere SBATCH_TIMELIMIT=bad SBATCH_ACCOUNT=nobody SLURM_JOB_ID=7 SRUN_DEBUG=9",
    ):
        write = f'echo "export {settings}" >"$(getent passwd hpc | cut -d: -f6)/.bashrc"'
        cluster.root("login", "bash", "-c", write)
        try:
            with cluster.scheduler(tmp_path / "co") as slurm:
                assert (
                    "SQUEUE_SORT" in slurm.runner.run(("env",)).stdout
                    or "SBATCH_ACCOUNT" in slurm.runner.run(("env",)).stdout
                )
                (name,) = slurm.submit((task("print('one')", tmp_path / "out"),))
                result = slurm.fetch(name)
        finally:
            cluster.root("login", "bash", "-c", 'rm "$(getent passwd hpc | cut -d: -f6)/.bashrc"')
        assert (result.word, result.exit) == ("COMPLETED", Exit(0))


def test_a_connection_that_breaks_is_made_again_while_it_is_waited(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co") as slurm:
        code = "import os, time\nwhile not os.path.exists('/opt/noxlib/run/done'): time.sleep(0.1)"
        (name,) = slurm.submit((task(code, tmp_path / "out", timeout=600),))
        assert slurm.job is not None
        results = []
        waiting = threading.Thread(target=lambda: results.append(slurm.fetch(name)))
        waiting.start()
        time.sleep(1)
        cluster.root("login", "pkill", "-KILL", "-u", "hpc", "-f", "sshd", check=False)
        done = f"{slurm.job.folder}/tasks/0/done"
        wait_until(lambda: cluster.answers("login", "touch", done), "the task's folder")  # it is not over before
        waiting.join(600)
    assert [result.exit for result in results] == [Exit(0)]


def test_another_process_asks_for_what_was_submitted(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co") as slurm, cluster.connected() as other:
        (name,) = slurm.submit((task("print('one')", tmp_path / "out"),))
        again = Slurm(other, job=slurm.job)
        assert again.fetch(name).exit == Exit(0)
    assert (tmp_path / "out" / "log").read_text().startswith("one\n")


def test_a_refused_job_is_two_lines_and_leaves_nothing(cluster: Cluster, tmp_path: Path) -> None:
    with cluster.scheduler(tmp_path / "co", "--partition=nowhere") as slurm:
        with pytest.raises(PlaceError, match=r"sbatch refuses the job: .*partition"):
            slurm.submit((task("", tmp_path / "out"),))
        assert slurm.job is None


CONFIGURATION = '[hpc]\nhost = "simulation"\n'
TESTS = """
import os, signal
import pytest

def test_kills(): os.kill(os.getpid(), signal.SIGKILL)
def test_passes(): pass
def test_fails(): assert 1 == 2
@pytest.mark.skip
def test_skipped(): pass
@pytest.mark.parametrize("number", range(4))
def test_many(number): pass
"""


@pytest.fixture
def project(cluster: Cluster, adopt: Callable[..., Nox], monkeypatch: pytest.MonkeyPatch) -> Nox:
    """A project whose steps find the cluster: they share its state folder."""
    nox = adopt("flat", CONFIGURATION)
    nox.environment["NOXLIB_CACHE_DIR"] = str(cluster.state)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(cluster.state))
    return nox


def remote(cluster: Cluster) -> list[str]:
    """What is left on the cluster: runs' folders, and jobs that have not ended."""
    script = 'ls "$(getent passwd hpc | cut -d: -f6)/.noxlib/runs" 2>/dev/null'
    return cluster.root("login", "bash", "-c", script, check=False).split() + cluster.jobs()


def test_a_suite_goes_there_and_comes_back_as_one_record(cluster: Cluster, project: Nox) -> None:
    (project.folder / "tests" / "test_more.py").write_text(TESTS)
    ended = project("-s", "hpc_submit", "--", "--shards", "3", "--python", "3.10")
    assert ended.code == 0, ended.output
    assert "3 tasks" in ended.output
    assert "-hpc_submit-" in project("-s", "hpc_status").output
    assert project("-s", "reap").code == 0  # what outlives its process by intention is left alone
    ended = project("-s", "hpc_fetch", "--", "--wait")
    assert ended.code == 1, ended.output
    record = project.record
    assert (record.outcome, record.cause) == ("failed", "killed"), ended.output
    assert (record.counts.passed, record.counts.failed, record.counts.skipped) == (5 + own_tests(project), 2, 1)
    expected = {"tests/test_more.py::test_fails", "tests/test_more.py::test_kills"}
    assert {failure.id for failure in record.failures} == expected
    assert {one.state for one in record.tasks} == {"COMPLETED", "FAILED"}
    assert {one.node for one in record.tasks} <= {"c1", "c2", "c3"}
    assert record.testground.digest
    folder = store.runs(project.folder)[0].path
    assert (folder / "junit.xml").read_text().count("<testcase") == record.counts.passed + 3
    assert (folder / "report.jsonl").read_text().count('"outcome": "crashed"') == 1
    said = "".join(path.read_text() for path in folder.glob("tasks/*/logs/output.log"))
    assert said.count("while tests/test_more.py::test_kills ran; the rest goes on in a new one") == 1
    assert remote(cluster) == []
    assert "waits to be fetched" in project("-s", "hpc_status").output


def own_tests(project: Nox) -> int:
    """The tests that the project has besides."""
    files = [path for path in (project.folder / "tests").glob("test_*.py") if path.name != "test_more.py"]
    return sum(path.read_text().count("def test_") for path in files)


ONE_PLACE = """
import os, pathlib, time
import pytest

@pytest.mark.parametrize("number", range(2))
def test_one_at_a_time(noxlib_concurrency, number):
    events = pathlib.Path(noxlib_concurrency.folder, "events")  # each line is one write, at the file's end

    def say(word):
        with events.open("a") as stream:
            stream.write(f"{word} {os.uname().nodename}\\n")

    def both(word):
        while events.read_text().count(word) < 2:
            time.sleep(0.05)

    say("here")
    both("here")
    for _ in range(20):
        with noxlib_concurrency:
            say("enters")
            time.sleep(0.02)
            say("leaves")
    say("done")
    both("done")
    lines = [line.split() for line in events.read_text().splitlines()]
    assert [word for word, _ in lines if word in ("enters", "leaves")] == ["enters", "leaves"] * 40
    assert len({node for _, node in lines}) == 2
"""


def test_operations_on_two_nodes_share_the_places_of_their_run(project: Nox) -> None:
    (project.folder / "tests" / "integration").mkdir()
    (project.folder / "tests" / "integration" / "test_places.py").write_text(ONE_PLACE)
    words = ("--suite", "integration", "--shards", "2", "--python", "3.10", "--", "--max-concurrent", "1")
    patient = ("--timeout-multiplier", "10")
    assert project("-s", "hpc_submit", "--", *words, *patient, NOXLIB_HPC_SBATCH="--exclusive").code == 0
    ended = project("-s", "hpc_fetch", "--", "--wait")
    assert ended.code == 0, ended.output
    assert project.record.counts.passed == 2
    assert len({one.node for one in project.record.tasks}) == 2


def test_what_has_not_ended_is_said_and_cancelled_and_two_are_told_apart(cluster: Cluster, project: Nox) -> None:
    (project.folder / "tests" / "test_more.py").write_text("import time\ndef test_sleeps(): time.sleep(3000)\n")
    assert project("-s", "hpc_submit", "--", "--python", "3.10").code == 0
    held = project("-s", "hpc_submit", "--", "--python", "3.10", NOXLIB_HPC_SBATCH="--hold")
    assert held.code == 0, held.output
    ended = project("-s", "hpc_fetch")
    assert ended.code == 1
    assert "1 of 1 tasks have not ended yet" in ended.output
    listed = project("-s", "hpc_status").output
    assert "PENDING" in listed
    wait_until(lambda: "RUNNING" in project("-s", "hpc_status").output, "the first one")
    for outcome_of in ("before it started", "while it ran"):
        ended = project("-s", "hpc_cancel")
        assert ended.code == 0, ended.output
        record = newest_record(project)
        assert (record.outcome, record.cause, record.tasks[0].state) == ("cancelled", "cancelled", "CANCELLED")
        assert outcome_of in (record.message or "")
    assert remote(cluster) == []


def newest_record(project: Nox) -> Record:
    """The record that was written last."""
    files = (project.folder / ".noxlib" / "runs").glob("*/record.json")
    return store.read_record(max(files, key=lambda path: path.stat().st_mtime))


def test_a_refused_submission_leaves_a_record_and_nothing_there(cluster: Cluster, project: Nox) -> None:
    ended = project("-s", "hpc_submit", "--", "--python", "3.10", NOXLIB_HPC_PARTITION="nowhere")
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert "partition" in ended.output
    assert project.record.outcome == "error"
    assert remote(cluster) == []
    assert [entry for entry in Ledger(cluster.state).entries() if entry.kind == "hpc"] == []


def test_a_suite_that_kills_its_own_supervisor_has_failed_and_the_test_is_named(project: Nox) -> None:
    code = "import os, time\ndef test_kills(): os.kill(os.getppid(), 9); time.sleep(600)\n"
    (project.folder / "tests" / "test_more.py").write_text(code)
    assert project("-s", "hpc_submit", "--", "--python", "3.10").code == 0
    ended = project("-s", "hpc_fetch", "--", "--wait")
    assert ended.code == 1
    assert (project.record.outcome, project.record.cause) == ("failed", "killed"), ended.output
    assert [failure.id for failure in project.record.failures] == ["tests/test_more.py::test_kills"]


WAITS = """
import os, time
def test_waits():
    while not os.path.exists("/opt/noxlib/run/done"): time.sleep(0.1)
"""


def is_connected(cluster: Cluster) -> bool:
    """Whether anybody is logged in who submits."""
    return cluster.answers("login", "pgrep", "-u", "hpc", "-f", "sshd")


def test_an_end_by_force_while_it_is_waited_loses_nothing(cluster: Cluster, project: Nox) -> None:
    (project.folder / "tests" / "test_more.py").write_text(WAITS)
    assert project("-s", "hpc_submit", "--", "--python", "3.10").code == 0
    for number in (signal.SIGKILL, signal.SIGINT):
        wait_until(lambda: not is_connected(cluster), "the end of the connection before")
        waiting = project.start("-s", "hpc_fetch", "--", "--wait")
        wait_until(lambda: is_connected(cluster), "its connection")
        time.sleep(1)
        kill_group(waiting, number)
        assert "Traceback" not in waiting.communicate(timeout=300)[0]
        assert waiting.returncode != 0
    done = 'for task in "$(getent passwd hpc | cut -d: -f6)"/.noxlib/runs/*/tasks/0; do touch "$task/done"; done'
    cluster.root("login", "bash", "-c", done)
    ended = project("-s", "hpc_fetch", "--", "--wait")
    assert ended.code == 0, ended.output


def test_nothing_collected_is_never_green(project: Nox) -> None:
    assert project("-s", "hpc_submit", "--", "--python", "3.10", "--", "-k", "no_such_test").code == 0
    ended = project("-s", "hpc_fetch", "--", "--wait")
    assert ended.code == 1
    assert project.record.outcome == "no-tests"


def test_what_a_killed_submission_left_is_removed_by_the_next_start(cluster: Cluster, project: Nox) -> None:
    code = (
        "import time; from noxlib.places import clusters; from noxlib.ledger import Ledger\n"
        "from noxlib.places.slurm_job import name_of; from noxlib.engines.slurm import Slurm\n"
        "with clusters.reached('simulation') as runner:\n"
        "    folder = runner.run(('sh', '-c', 'cd && pwd')).stdout.strip() + '/.noxlib/runs/killed'\n"
        "    details = {'host': 'simulation', 'folder': folder, 'checkout': '', 'job': ''}\n"
        "    Ledger().add(clusters.KIND, 'killed', details=details)\n"
        "    runner.run(('mkdir', '-p', folder))\n"
        "    words = ('--job-name=' + name_of('killed'), '--wrap=sleep 100', '--output=/dev/null')\n"
        "    Slurm(runner).call('sbatch', *words)\n"
        "    print('up', flush=True); time.sleep(100)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=ROOT, env={**project.environment}
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert name_of("killed") in remote(cluster)
        process.kill()
    ended = project("-s", "reap")
    assert ended.code == 0, ended.output
    wait_until(lambda: remote(cluster) == [], "the end of the job")


def fake(project: Nox, host: str) -> str:
    """A run that was submitted to a host, as far as this machine knows; its name."""
    folder = store.new_run(project.folder, "hpc_submit")
    job = Job("7", "/shared/.noxlib/runs/fake", time.time(), (HostTask(()),))
    hpc.write(folder, hpc.Submission(folder.name, host, "3.10", job, "", hpc.Known()), ())
    hpc.note(host, folder, job.folder, job=job.id, expires=time.time() + 600)
    return folder.name


STEPS = ("hpc_status", "hpc_fetch", "hpc_cancel", "hpc_submit")
KNOWN_TO_NOBODY = "  StrictHostKeyChecking yes\n  UserKnownHostsFile /dev/null\n  GlobalKnownHostsFile /dev/null\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("  Port 9\n", "no SSH server listens at login"),
        ("  StrictHostKeyChecking no\n  UserKnownHostsFile /dev/null\n", "login accepts none of your keys"),
        (KNOWN_TO_NOBODY, "the host key of login is not known, and your ssh configuration accepts none that is new"),
    ],
    ids=["nobody listens", "wrong key", "unknown host key"],
)
def test_a_login_node_that_takes_nobody_in_is_two_lines_for_every_step(
    cluster: Cluster, project: Nox, tmp_path: Path, settings: str, said: str
) -> None:
    subprocess.run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "other")), check=True)
    port = cluster.simulation.target().port
    own = f"Host login\n{settings}  HostName 127.0.0.1\n  Port {port}\n  User hpc\n  IdentityAgent none\n"
    (tmp_path / "config").write_text(f"{own}  IdentityFile {tmp_path / 'other'}\n  IdentitiesOnly yes\n")
    run = fake(project, "login")
    try:
        ended = project("-s", *STEPS, NOXLIB_SSH_CONFIG=str(tmp_path / "config"), NOXLIB_HPC_HOST="login")
    finally:
        hpc.strike(run)
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert ended.output.count(said) == len(STEPS), ended.output
    assert "locking" not in ended.output  # nothing is built for a cluster that cannot be reached
    assert project.record.outcome == "error"


#: A docker command whose `compose up` tells nobody that all is up.
SILENT = """#!/bin/sh
case " $* " in *" compose "*" up "*) {docker} "$@" && exec sleep 3000 ;; esac
exec {docker} "$@"
"""


def silent_docker(folder: Path) -> dict[str, str]:
    """Variables with which that command is found."""
    program = folder / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(SILENT.format(docker=shlex.quote(compose.command())))
    program.chmod(0o755)
    return {"PATH": f"{program.parent}:{os.environ['PATH']}"}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_cluster_that_is_not_up_yet_when_its_session_ends_is_removed(
    adopt: Callable[..., Nox], own_state: Path, tmp_path: Path, number: signal.Signals
) -> None:
    nox = adopt("flat", CONFIGURATION)
    docker = Docker.connect()
    simulation = Simulation(docker, own_state)
    label = {PROJECT: simulation.project}
    process = nox.start("-s", "hpc_simulation", **silent_docker(tmp_path))
    wait_until(lambda: len(docker.containers(label)) == MEMBERS, "its containers")
    kill_group(process, number)
    output, _ = process.communicate(timeout=300)
    assert "Traceback" not in output
    assert "up after" not in output
    ended = nox("-s", "reap", "hpc_fetch")
    assert (f"removed the simulation {simulation.project}" in ended.output) == (number == signal.SIGKILL), ended.output
    assert (docker.containers(label), docker.networks(label), docker.volumes(label)) == ((), (), ())
    assert Ledger(own_state).entries() == ()
    run = fake(nox, "simulation")
    ended = nox("-s", "hpc_fetch")
    hpc.strike(run)
    assert "the simulated cluster is not up\n  nox -s hpc_simulation" in ended.output
    docker.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("hpc_submit", "--", "--host", "hpc@127.0.0.1:9"), "127.0.0.1"),
        (("hpc_submit", "--", "--host=-oProxyCommand=x"), "is no host"),
        (("hpc_submit", "--", "--shards", "0"), "no number of shards"),
        (("hpc_submit", "--", "--python", "2.7"), "none of the project's Pythons"),
        (("hpc_fetch", "--", "nothing-of-that-name"), "is submitted and not fetched yet"),
        (("hpc_cancel",), "is submitted and not fetched yet"),
    ],
)
def test_bad_input_is_two_lines(project: Nox, words: tuple[str, ...], said: str) -> None:
    ended = project("-s", *words)
    assert ended.code == 1
    assert said in ended.output
    assert "Traceback" not in ended.output
