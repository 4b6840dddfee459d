"""Slurm's commands, on a login node over SSH or on this machine, as an ordinary user.

Whatever the user's own settings are (SQUEUE_FORMAT, SBATCH_PARTITION, …), our calls see none of them: they would change
what is printed and what is asked for.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from typing import IO, TYPE_CHECKING, Any, Optional, Protocol

from noxlib.engines import slurm_text
from noxlib.engines.process import CHUNK, Completed, last_line
from noxlib.errors import EngineError, PlaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from noxlib.engines.slurm_text import Task

SECONDS = 60.0  #: for one of its commands: a busy controller may take its time
POLL_SECONDS = 10.0  #: for one that asks: where the accounting is down, sacct tries for long
SILENT_SECONDS = 30.0  #: until an accounting that said nothing is asked again
_UNKNOWN = "Invalid job id"  # what squeue and scontrol say of a job that they do not know
_SETTINGS = "SBATCH|SQUEUE|SACCT|SCONTROL|SCANCEL|SINFO|SRUN|SALLOC"
#: ``sh -c CLEAN sh COMMAND…``; of SLURM_* the site's own stay, those of a job that we are called in go.
CLEAN = (
    f"unset $(env | sed -nE 's/^((({_SETTINGS})|SLURM_(JOB|MEM|CPU|CPUS|N|NTASKS|NNODES|NPROCS|ARRAY|STEP|TASK|TASKS|"
    'EXPORT|TIME))_?[A-Za-z0-9_]*)=.*/\\1/p\') && export LC_ALL=C SLURM_TIME_FORMAT=%s && exec "$@"'
)


class Runner(Protocol):
    """Where commands run: ``noxlib.engines.ssh.Connection``, or ``Here``."""

    def open(self) -> None: ...
    def close(self) -> None: ...
    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[IO[bytes]] = None,
        check: bool = True,
        timeout: float = SECONDS,
    ) -> Completed: ...
    def feed(self, argv: Sequence[str], chunks: Iterable[bytes], *, through: Sequence[str] = ()) -> None: ...
    def fetch(self, argv: Sequence[str]) -> Iterator[bytes]: ...


class Here:
    """This machine, where it is a login node itself."""

    def open(self) -> None:
        """There is nothing to connect to."""

    def close(self) -> None:
        """As ``open``."""

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[IO[bytes]] = None,
        check: bool = True,
        timeout: float = SECONDS,
    ) -> Completed:
        """As ``Connection.run``. Raises EngineError."""
        given = stdin or subprocess.DEVNULL
        try:
            done = subprocess.run(list(argv), stdin=given, capture_output=True, timeout=timeout, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise _not_here(argv, error) from error
        out, err = (data.decode("utf-8", "replace") for data in (done.stdout, done.stderr))
        if check and done.returncode != 0:
            raise _failed(argv, done.returncode, err or out)
        return Completed(done.returncode, out, err)

    def feed(self, argv: Sequence[str], chunks: Iterable[bytes], *, through: Sequence[str] = ()) -> None:  # noqa: ARG002
        """As ``Connection.feed``; nothing has to be made smaller for the way. Raises EngineError."""
        with _piped(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # its words say why
                for chunk in chunks:
                    process.stdin.write(chunk)
                process.stdin.close()

    def fetch(self, argv: Sequence[str]) -> Iterator[bytes]:
        """As ``Connection.fetch``. Raises EngineError."""
        with _piped(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(CHUNK):
                yield chunk


def told(runner: Runner, argv: Sequence[str], count: int = 1) -> list[str]:
    """The last lines that a command printed; what a site's shell says by itself before them is passed over.

    Raises:
        PlaceError: There are fewer.
        EngineError: It failed.
    """
    lines = [line.strip() for line in runner.run(argv).stdout.splitlines() if line.strip()]
    if len(lines) < count:
        raise PlaceError(f"the login node does not answer to {' '.join(argv)!r}", "run it there by hand to see why")
    return lines[-count:]


class Slurm:
    """One cluster's commands.

    Args:
        runner: Where they run.
        cluster: The cluster's name where sbatch told one (a federation); else empty.
    """

    def __init__(self, runner: Runner, cluster: str = "") -> None:
        self.runner = runner
        self._of = ("-M", cluster) if cluster else ()
        self._silent_until = 0.0

    def call(self, *argv: str, check: bool = True, timeout: float = SECONDS) -> Completed:
        """Run one of Slurm's commands without the user's settings for it. Raises EngineError, PlaceError."""
        return self.runner.run(("sh", "-c", CLEAN, "sh", *argv), check=check, timeout=timeout)

    def now(self) -> float:
        """The cluster's clock, in seconds since the epoch: ids are told apart by their submit times.

        Raises:
            PlaceError: It prints no number.
        """
        (seconds,) = told(self.runner, ("date", "+%s"))
        if not seconds.isdigit():
            raise PlaceError(f"the login node's date says {seconds[:80]!r}", "have `date +%s` print seconds there")
        return float(seconds)

    def submit(self, script: str, options: Sequence[str]) -> tuple[str, str]:
        """Submit a script that lies on the cluster; id and cluster.

        Raises:
            PlaceError: sbatch refuses it.
        """
        done = self.call("sbatch", "--parsable", *options, script, check=False)
        if done.returncode != 0:
            said = last_line(done.stderr or done.stdout)
            if done.returncode == 127:  # noqa: PLR2004 - as a shell has it
                raise PlaceError("there is no sbatch on that host", "name a login node of a Slurm cluster")
            raise PlaceError(f"sbatch refuses the job: {said}", "see the keys of [tool.noxlib.hpc], and `sinfo` there")
        return slurm_text.job_id(done.stdout)

    def tasks(self, job: str, since: float = 0.0) -> dict[Optional[int], Task]:
        """The tasks of a job that anybody knows of, whether they wait, run or have ended.

        What the queue says of a task that has not ended counts more than the accounting, which comes late; that one
        knows those that have. Without it the controller is asked, which forgets a job some minutes after its end.

        Raises:
            PlaceError: The connection is lost.
            EngineError: Nobody answers: that is no word of the job.
        """
        queue = ("squeue", *self._of, "-h", "-r", "-t", "all", "-j", job, "-o", slurm_text.SQUEUE)
        queued = self._said(*queue)
        live = slurm_text.of_squeue(queued or "", job, since)
        if live and not any(task.ended for task in live.values()):
            return live
        told = slurm_text.of_sacct(self._accounted(job), job, since)
        if not told:
            shown = self._said("scontrol", *self._of, "-o", "show", "job", job)
            if queued is None and shown is None:
                raise EngineError("the cluster does not answer", "see how busy its controller is: `sinfo` there")
            told = slurm_text.of_scontrol(shown or "", job, since)
        waiting = {index: task for index, task in live.items() if not task.ended or index not in told}
        return {**told, **waiting}

    def cancel(self, task: str) -> None:
        """Cancel a job, or one task of it (``123_4``); one that has ended is fine. Raises EngineError."""
        self.call("scancel", *self._of, task, check=False)

    def cancel_named(self, name: str) -> None:
        """Cancel all jobs of this user by their name."""
        self.call("sh", "-c", 'scancel --user="$(id -un)" --name="$1"', "sh", name, check=False)

    def _accounted(self, job: str) -> str:
        """What the accounting says; one that is off or down is left alone for a while: it is slow to say so."""
        if time.monotonic() < self._silent_until:
            return ""
        words = ("-X", "-P", "-n", "--duplicates", "-j", job, "-o", slurm_text.SACCT)
        said = self._said("sacct", *self._of, *words) or ""
        if not said:
            self._silent_until = time.monotonic() + SILENT_SECONDS
        return said

    def _said(self, *argv: str) -> Optional[str]:
        """What a command printed; nothing where it knows no such job, None where it fails or does not answer."""
        try:
            done = self.call(*argv, check=False, timeout=POLL_SECONDS)
        except EngineError:
            return None
        if done.returncode == 0:
            return done.stdout
        return "" if _UNKNOWN in done.stderr else None


@contextlib.contextmanager
def _piped(argv: Sequence[str], **pipes: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A command of this machine, waited for; where it fails, its own words are told. Raises EngineError."""
    with tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(list(argv), stderr=errors, **pipes)
        except OSError as error:
            raise _not_here(argv, error) from error
        with process:
            yield process
        if process.returncode != 0:
            errors.seek(0)
            raise _failed(argv, process.returncode, errors.read().decode("utf-8", "replace"))


def _not_here(argv: Sequence[str], error: Exception) -> EngineError:
    return EngineError(f"{argv[0]} cannot be run here: {error}", "see whether this is a login node")


def _failed(argv: Sequence[str], code: int, said: str) -> EngineError:
    if "No space left on device" in said:
        return EngineError("a disk of the cluster is full", "free space: `df -h` shows where", cause="disk-full")
    return EngineError(f"{argv[0]} ended with {code}: {last_line(said)}", "run it by hand to see why")
