"""A job for Slurm: what goes to the cluster, the script, the words for sbatch. An array with one task per shard."""

from __future__ import annotations

import contextlib
import json
import math
import shlex
from pathlib import Path
from typing import IO, TYPE_CHECKING, Optional

import msgspec

from noxlib import temporary
from noxlib.engines.slurm import Slurm as Engine
from noxlib.errors import NoxlibError
from noxlib.places import box, tars, trust
from noxlib.places.files import INSIDE
from noxlib.places.scheduler import HostTask
from noxlib.places.sent import Sent
from noxlib.places.slurm_outcome import UNPREPARED
from noxlib.places.supervised import NO_ROOM

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.slurm import Runner

TEMPLATE = Path(__file__).resolve().parent.parent / "templates" / "slurm" / "job.sh.j2"
_RECEIVE = 'mkdir -p -m 700 "$1" && exec tar -x -C "$1"'
TASK = "task.json"  #: of tests, where a command has some
GRACE = 60.0  #: seconds that the job's limit is longer than its task's, so that the task's own deadline comes first


class Nodes(msgspec.Struct, frozen=True):
    """The way to make hosts: what each task finds on its node."""

    sif: str  #: path on the cluster
    python: str  #: of the testground, in the SIF
    checkout: Path
    prepared_site: Optional[Path] = None
    prepared_tree: Optional[Path] = None
    environment: dict[str, str] = {}  #: of every command


class Layout(msgspec.Struct, frozen=True):
    """Where things lie on the host that a task makes on its node, as ``noxlib.places.host.Layout`` wants it."""

    python: str
    inside: str = box.LIB
    scratch: str = box.RUN


class Way(msgspec.Struct, frozen=True):
    """How a job is submitted."""

    nodes: Nodes
    folder: str  #: of the run, on the cluster: an absolute path
    run: str
    time: str = ""  #: limit as sbatch takes it; default: the tasks' own and a little more
    options: tuple[str, ...] = ()  #: more words for sbatch: they come last, and win

    @property
    def name(self) -> str:
        return name_of(self.run)


class Job(msgspec.Struct, frozen=True):
    """What was submitted: all that another process needs to ask for it. ``submitted`` is by the cluster's clock."""

    id: str
    folder: str
    submitted: float
    tasks: tuple[HostTask, ...]
    cluster: str = ""


def name_of(run: str) -> str:
    """The job's name: by it a job is found whose submission was cut short."""
    return f"noxlib-{run}"


def submit(runner: Runner, way: Way, tasks: tuple[HostTask, ...]) -> Job:
    """Send everything and submit.

    Raises:
        PlaceError: sbatch refuses the job, or the connection is lost.
        EngineError: The files could not be sent.
    """
    try:
        return _submit(runner, way, tasks)
    except BaseException:
        with contextlib.suppress(NoxlibError):  # the ledger of whoever calls knows of it
            runner.run(("rm", "-rf", "--", way.folder))
        raise


def _submit(runner: Runner, way: Way, tasks: tuple[HostTask, ...]) -> Job:
    with temporary.folder() as made, _packed(way, tasks, made) as packed:
        runner.feed(("sh", "-c", _RECEIVE, "sh", way.folder), iter(lambda: packed.read(tars.CHUNK), b""))
    engine = Engine(runner)
    submitted = engine.now()
    job, cluster = engine.submit(f"{way.folder}/job.sh", words(way, tasks))
    return Job(job, way.folder, submitted, tasks, cluster)


def words(way: Way, tasks: tuple[HostTask, ...]) -> tuple[str, ...]:
    """The options for sbatch. A node's failure is told, and not hidden by running the task again."""
    limits = tasks[0].limits
    minutes = math.ceil((max(task.limits.timeout for task in tasks) + GRACE) / 60)
    wanted = (
        f"--job-name={way.name}",
        f"--array=0-{len(tasks) - 1}",
        f"--output={way.folder}/tasks/%a/output.log",
        f"--chdir={way.folder}",
        f"--time={way.time or minutes}",
        "--nodes=1",
        "--ntasks=1",
        "--no-requeue",
        "--kill-on-invalid-dep=yes",
    )
    memory = (f"--mem={math.ceil(limits.memory / 1024)}K",) if limits.memory else ()
    cpus = (f"--cpus-per-task={math.ceil(limits.cpus)}",) if limits.cpus else ()
    disk = (f"--tmp={math.ceil(limits.disk / 1024)}K",) if limits.disk else ()
    return (*wanted, *memory, *cpus, *disk, *way.options)


def script(way: Way) -> str:
    """The job script."""
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - 20 ms: only where something is submitted

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)  # noqa: S701 - no HTML
    environment.filters["quote"] = shlex.quote
    layout = {"workspace": box.WORKSPACE, "scratch": box.RUN, "lib": box.LIB, "home": box.HOME}
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        run=way.run.replace("\n", " "),
        folder=way.folder,
        sif=way.nodes.sif,
        python=way.nodes.python,
        site=box.SITE if way.nodes.prepared_site else "",
        unprepared=UNPREPARED,
        no_room=NO_ROOM,
        **layout,
    )


def order(way: Way, task: HostTask) -> bytes:
    """The task's order for ``inside/supervise.py``."""
    named = {"task": f"{box.RUN}/{TASK}"} if TASK in dict(task.files).values() else {}
    return json.dumps(
        {
            "argv": task.argv,
            "environment": {**way.nodes.environment, **task.environment},
            "cwd": box.WORKSPACE,
            "exit": f"{box.RUN}/exit.json",
            "timeout": task.limits.timeout,
            **named,
        }
    ).encode()


@contextlib.contextmanager
def _packed(way: Way, tasks: tuple[HostTask, ...], made: Path) -> Iterator[IO[bytes]]:
    """All that goes to the cluster as one tar."""
    (made / "job.sh").write_text(script(way), encoding="utf-8")
    sent = Sent(way.nodes.checkout, way.nodes.prepared_tree)
    with tars.pack(sent.files(), 0, 0) as workspace, (made / "workspace.tar").open("wb") as file:
        for chunk in iter(lambda: workspace.read(tars.CHUNK), b""):
            file.write(chunk)
    entries = [*tars.folder("lib/noxlib_inside", INSIDE), *trust.files()]
    for index, task in enumerate(tasks):
        folder = made / "tasks" / str(index)
        folder.mkdir(parents=True)  # without the folder of its output a job fails, and says nothing
        (folder / "order.json").touch(mode=0o600)  # the environment may hold secrets
        (folder / "order.json").write_bytes(order(way, task))
        for source, name in task.files:
            entries += tars.folder(f"tasks/{index}/{name}", Path(source))
    if way.nodes.prepared_site is not None:
        entries += tars.folder("site", way.nodes.prepared_site)
    own = [entry for name in ("job.sh", "workspace.tar", "tasks") for entry in tars.folder(name, made / name)]
    with tars.pack([*own, *entries], 0, 0) as packed:
        yield packed
