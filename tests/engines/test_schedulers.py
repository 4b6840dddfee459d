"""What every scheduler promises, tried on each kind: the same calls, the same answers."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from noxlib.errors import UsageError
from noxlib.places.host import Exit
from noxlib.places.local import Local
from noxlib.places.scheduler import HostTask, Scheduler
from noxlib.plan import Limits
from tests.engines import clusters
from tests.engines.clusters import Cluster
from tests.engines.conftest import wait_until
from tests.engines.hosts import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from noxlib.places.host import Host

KINDS = [pytest.param("slurm", marks=pytest.mark.slurm), "local"]


class Kind:
    """Schedulers of one kind, and tasks for them."""

    def __init__(self, name: str, folder: Path, cluster: Cluster | None) -> None:
        self.folder = folder
        self.cluster = cluster
        self.world = World(folder, "venv", f"schedulers-{os.getpid()}").create()
        #: Python that finds the folder of a task which ``files`` and ``results`` are relative to.
        local = f"__import__('glob').glob({str(folder)!r} + '/run-*')[0]"
        self.scratch = "'/opt/noxlib/run'" if cluster else local

    def _host(self, _task: HostTask) -> AbstractContextManager[Host]:
        self.world.run_folder = self.folder / f"run-{os.getpid()}"
        return self.world.host()

    @contextmanager
    def scheduler(self, *, at_once: int = 4) -> Iterator[Scheduler]:
        if self.cluster is not None:
            with self.cluster.scheduler(
                self.world.checkout, *((f"--array=0-1%{at_once}",) if at_once == 1 else ())
            ) as one:
                yield one
            return
        with Local(at_once, self._host) as other:
            yield other

    def task(self, code: str, name: str, *, timeout: float = 120.0) -> HostTask:
        folder = self.folder / name
        if self.cluster is not None:
            return clusters.task(code, folder, timeout=timeout)
        argv = (sys.executable, "-c", code)
        results = (("result", str(folder / "result")),)
        return HostTask(argv, limits=Limits(timeout=timeout), log=str(folder / "log"), results=results)

    def log(self, name: str) -> str:
        return (self.folder / name / "log").read_text()


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    cluster = request.getfixturevalue("cluster") if request.param == "slurm" else None
    return Kind(request.param, tmp_path, cluster)


def test_results_come_back_by_id_with_exit_codes_and_output(kind: Kind) -> None:
    codes = ("print('one')", "import sys; print('two'); sys.exit(3)", "import os; os.kill(os.getpid(), 9)")
    with kind.scheduler() as scheduler:
        ids = scheduler.submit(tuple(kind.task(code, str(at)) for at, code in enumerate(codes)))
        results = [scheduler.fetch(one) for one in ids]
        assert [(result.state, result.exit) for result in results] == [
            ("done", Exit(0)),
            ("done", Exit(3)),
            ("done", Exit(128 + signal.SIGKILL, "signal")),
        ]
        assert [scheduler.state(one) for one in ids] == ["done"] * 3
        assert scheduler.fetch(ids[1]).exit == Exit(3)
        with pytest.raises(UsageError, match="no task 'x'"):
            scheduler.state("x")
    assert (kind.log("0").splitlines()[0], kind.log("1").splitlines()[0]) == ("one", "two")


def test_files_go_in_and_results_come_out_whatever_the_exit(kind: Kind) -> None:
    (kind.folder / "given ö").write_text("in")
    code = (
        f"import os, sys; root = {kind.scratch}; text = open(root + '/deep/given').read(); "
        "os.makedirs(root + '/result/deep', exist_ok=True); "
        "open(root + '/result/deep/made', 'w').write(text + open('given.txt').read()); sys.exit(1)"
    )
    one = kind.task(code, "one")
    with kind.scheduler() as scheduler:
        given = HostTask(
            one.argv,
            one.environment,
            limits=one.limits,
            log=one.log,
            files=((str(kind.folder / "given ö"), "deep/given"),),
            results=(*one.results, ("absent", str(kind.folder / "absent"))),
        )
        (name,) = scheduler.submit((given,))
        assert scheduler.fetch(name).exit == Exit(1), kind.log("one")
    assert (kind.folder / "one" / "result" / "deep" / "made").read_text() == "ingiven"
    assert not (kind.folder / "absent").exists()


def test_the_tasks_own_deadline_is_told(kind: Kind) -> None:
    with kind.scheduler() as scheduler:
        (name,) = scheduler.submit((kind.task("import time; time.sleep(100)", "one", timeout=1.0),))
        result = scheduler.fetch(name)
    assert (result.state, result.exit) == ("done", Exit(128 + signal.SIGTERM, "timeout"))


def test_a_waiting_task_is_cancelled_and_never_starts_and_a_running_one_is_stopped(kind: Kind) -> None:
    # The first is there until it is stopped: the second's end may take a busy controller long to say.
    code = f"import os, time; open({kind.scratch} + '/began', 'w').close(); print('up', flush=True); time.sleep(250)"
    with kind.scheduler(at_once=1) as scheduler:
        never = kind.task("print('never')", "second")
        first, second = scheduler.submit((kind.task(code, "first", timeout=280.0), never))
        wait_until(lambda: scheduler.state(first) == "running", "the first task")
        assert scheduler.state(second) == "waiting"
        assert scheduler.cancel(second)
        wait_until(lambda: scheduler.state(second) == "cancelled", "its end")
        assert scheduler.cancel(first)
        results = [scheduler.fetch(one) for one in (first, second)]
        assert [result.state for result in results] == ["cancelled", "cancelled"]
        assert [result.cause for result in results] == ["cancelled", "cancelled"]
        assert results[1].message == "cancelled before it started"
        assert not scheduler.cancel(first)
    assert not (kind.folder / "second" / "log").exists()


def test_each_task_has_a_workspace_of_its_own(kind: Kind) -> None:
    code = "import os, time; open('mine', 'x').close(); time.sleep(0.5); print(sorted(os.listdir('.')))"
    with kind.scheduler() as scheduler:
        ids = scheduler.submit((kind.task(code, "0"), kind.task(code, "1")))
        assert [scheduler.fetch(one).exit for one in ids] == [Exit(0), Exit(0)]
    assert {kind.log(name).splitlines()[0] for name in ("0", "1")} == {"['given.txt', 'golden', 'mine']"}
    assert not (kind.world.checkout / "mine").exists()
