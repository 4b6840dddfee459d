"""The scheduler ``slurm``: each task is one of an array, on a node, with the testground as SIF. It outlives us."""

from __future__ import annotations

import contextlib
import functools
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib import atomic, temporary
from noxlib.engines.slurm import Slurm as Engine
from noxlib.errors import EngineError, PlaceError, UsageError
from noxlib.places import slurm_job, slurm_outcome, tars
from noxlib.places.files import copy
from noxlib.places.host import Exit
from noxlib.places.scheduler import HostTask, Result, TaskState
from noxlib.places.slurm_job import Job, Way

if TYPE_CHECKING:
    from noxlib.engines.slurm import Runner
    from noxlib.engines.slurm_text import Task

LATE = 20.0  #: seconds that a result file may come after its job's end, and that nobody may know of a job
ATTEMPTS = 5  #: polls that may fail one after another, connections too
FIRST, LONGEST = 0.3, 5.0  #: seconds between polls


class Slurm:
    """One job: an array of tasks. Another process makes it again from the ``job``.

    Args:
        runner: Where Slurm's commands run.
        way: The way to make hosts, for one that is to submit.
        job: What was submitted, for one that is to be asked.
        secrets: Values that are masked in the output.
    """

    name = "slurm"

    def __init__(
        self, runner: Runner, *, way: Optional[Way] = None, job: Optional[Job] = None, secrets: tuple[str, ...] = ()
    ) -> None:
        self.runner = runner
        self.job = job
        self._way = way
        self._secrets = secrets
        self._ended: dict[Optional[int], Task] = {}

    def submit(self, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
        """Send what the tasks need and submit them as one array; one id each, in their order.

        Raises:
            PlaceError: sbatch refuses the job, or the connection is lost.
            EngineError: The files could not be sent.
        """
        assert self._way is not None, "it was made to be asked only"
        self.job = slurm_job.submit(self.runner, self._way, tasks)
        return self.ids

    @property
    def ids(self) -> tuple[str, ...]:
        job = self._submitted
        return tuple(f"{job.id}_{index}" for index in range(len(job.tasks)))

    def state(self, task: str) -> TaskState:
        """Where a task is now. Raises UsageError for an id that was never given."""
        index = self._index(task)
        return slurm_outcome.state(self.known().get(index))

    def cancel(self, task: str) -> bool:
        """Keep a waiting task from starting, stop a running one; False where it has ended already."""
        index = self._index(task)
        found = self.known().get(index)
        if found is None or found.ended:
            return False
        self._engine.cancel(f"{self._submitted.id}_{index}")
        return True

    def cancel_all(self) -> int:
        """The same for all tasks by one call, however many there are; how many had not ended."""
        unfinished = [task for task in self.known().values() if not task.ended]
        if unfinished:
            self._engine.cancel(self._submitted.id)
        return len(unfinished)

    def fetch(self, task: str) -> Result:
        """Wait for a task's end and give its result; its result files are here then."""
        index = self._index(task)
        ended = self.wait(index)
        wanted = self._submitted.tasks[index]
        with temporary.folder() as folder:
            patient = ended is not None and ended.state == "COMPLETED"
            exit_ = self._bring(index, folder / "task", patient=patient)
            said = self._log(folder / "task" / "output.log", wanted)
            for name, target in wanted.results:
                if (folder / "task" / name).exists():
                    copy(folder / "task" / name, Path(target))
        return slurm_outcome.result(ended, exit_, said)

    def known(self) -> dict[Optional[int], Task]:
        """What Slurm knows of each task."""
        return self._engine.tasks(self._submitted.id, self._submitted.submitted)

    def wait(self, index: int) -> Optional[Task]:
        """What Slurm says of a task once it has ended; None where nobody knows it any more."""
        if index in self._ended:
            return self._ended[index]
        began = seen = time.monotonic()
        failed = 0
        while True:
            try:
                known = self.known()
                task, failed = known.get(index), 0
                self._ended = {at: one for at, one in known.items() if one.ended}
            except (EngineError, PlaceError):
                failed += 1
                if failed == ATTEMPTS:
                    raise
                self._reconnect()
            else:
                if task is not None and task.ended:
                    return task
                seen = seen if task is None else time.monotonic()
                if time.monotonic() - seen > LATE:
                    return None
            time.sleep(min(LONGEST, max(FIRST, (time.monotonic() - began) / 20)))

    def remove(self) -> None:
        """Remove the run's folder on the cluster."""
        self.runner.run(("rm", "-rf", self._submitted.folder))

    @property
    def _submitted(self) -> Job:
        assert self.job is not None, "nothing was submitted yet"
        return self.job

    @functools.cached_property
    def _engine(self) -> Engine:
        return Engine(self.runner, self._submitted.cluster)

    def _index(self, task: str) -> int:
        ids = self.ids if self.job else ()
        if task not in ids:
            raise UsageError(f"no task {task!r} was submitted here", "use an id that submit gave")
        return ids.index(task)

    def _reconnect(self) -> None:
        with contextlib.suppress(EngineError, PlaceError):
            self.runner.close()
            self.runner.open()

    def _bring(self, index: int, folder: Path, *, patient: bool) -> Optional[Exit]:
        """Copy a task's files here; where success was told, the file that bears it out is waited for."""
        until = time.monotonic() + (LATE if patient else 0.0)
        while True:
            atomic.remove_tree(folder)
            with contextlib.suppress(EngineError):  # the folder is gone: somebody else fetched
                argv = ("tar", "-c", "-C", f"{self._submitted.folder}/tasks", str(index))
                tars.unpack(self.runner.fetch(argv), folder)
            exit_ = _read_exit(folder / "exit.json")
            if exit_ is not None or time.monotonic() >= until:
                return exit_
            time.sleep(FIRST)

    def _log(self, path: Path, wanted: HostTask) -> str:
        """Put the output where it is wanted, secrets masked; its last line."""
        if not path.is_file():
            return ""
        from noxlib.secret import Masker  # noqa: PLC0415 - only where there is something to mask

        masker = Masker(self._secrets)
        data = path.read_bytes()
        masked = masker.feed(data) + masker.flush() if self._secrets else data
        if wanted.log:
            Path(wanted.log).parent.mkdir(parents=True, exist_ok=True)
            Path(wanted.log).write_bytes(masked)
        lines = masked[-4096:].decode("utf-8", "replace").strip().splitlines()
        return lines[-1].strip()[:300] if lines else ""


def _read_exit(path: Path) -> Optional[Exit]:
    try:
        return atomic.from_json(path.read_bytes(), Exit)
    except (OSError, ValueError):
        return None
