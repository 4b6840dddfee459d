"""What the steps for a Slurm cluster share: which cluster, how it is reached, what was submitted to it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Optional

import msgspec

from noxlib import atomic
from noxlib.config.models import Config
from noxlib.engines.slurm import Runner, told
from noxlib.errors import PlaceError, UsageError
from noxlib.ledger import Entry, Ledger
from noxlib.places.clusters import HERE, KIND, SIMULATION, reached, remove
from noxlib.places.slurm_job import Job
from noxlib.plan import Plan
from noxlib.records import result, store
from noxlib.records.store import RunFolder
from noxlib.sessions import shard_tasks
from noxlib.sessions.arguments import Arguments, Option
from noxlib.sessions.shard_results import Known

__all__ = ["HERE", "SIMULATION", "Known", "reached", "remove"]

KEPT = 14 * 24 * 3600.0  #: seconds after which what nobody fetched counts as forgotten
HOST = Option("--host", "login node, user@host; `simulation` is that of hpc_simulation, `here` this machine", "HOST")
_FOLDER = re.compile(r"[A-Za-z0-9._/+-]+")


class Submission(msgspec.Struct, frozen=True):
    """``submitted.json`` of a run's folder: all that is needed to ask for it later, from another process."""

    run: str
    host: str
    python: str
    job: Job
    started: str
    known: Known
    timings: dict[str, float] = {}
    version: int = 1


def host_of(config: Config, arguments: Arguments) -> tuple[str, str]:
    """The login node, and why it.

    Raises:
        UsageError: none is named anywhere.
    """
    if arguments["host"]:
        return arguments["host"], "asked for by --host"
    if config.hpc.host:
        return config.hpc.host, f"configured: host = {config.hpc.host!r}"
    raise UsageError(
        "no cluster is named", "set host in [tool.noxlib.hpc], or say --host user@login (or --host simulation)"
    )


def account(runner: Runner, config: Config) -> tuple[str, str]:
    """Who we are on the cluster, and our folder there: an absolute path in the shared home.

    Raises:
        UsageError: the folder's name holds what a job script or Apptainer could not be told.
    """
    own = config.hpc.folder
    if not _FOLDER.fullmatch(own):
        what = f"folder = {own!r} in [tool.noxlib.hpc] holds a blank or a sign"
        raise UsageError(what, "use letters, digits, . _ / + -")
    user, there = told(runner, ("sh", "-c", "id -un && cd && pwd -P"), 2)
    folder = own if own.startswith("/") else f"{there}/{own}"
    if not _FOLDER.fullmatch(folder):
        raise PlaceError(f"the home {there!r} holds a blank or a sign", "name another folder in [tool.noxlib.hpc]")
    return user, folder


def options(config: Config) -> tuple[str, ...]:
    """What sbatch and srun both are told of where jobs may run."""
    own = config.hpc
    pairs = (("--partition", own.partition), ("--account", own.account))
    return tuple(f"{name}={value}" for name, value in pairs if value)


def note(runner_host: str, folder: RunFolder, there: str, *, job: str = "", expires: Optional[float] = None) -> Entry:
    """Write down what is, or is about to be, on a cluster; with ``expires`` it outlives this process by intention."""
    details = {"host": runner_host, "folder": there, "checkout": str(folder.checkout), "job": job}
    return Ledger().add(KIND, folder.name, details=details, expires=expires, detached=expires is not None)


def entries(root: Path) -> list[Entry]:
    """What the ledger knows on clusters of this checkout."""
    return [entry for entry in Ledger().entries() if entry.kind == KIND and entry.details["checkout"] == str(root)]


def submitted(root: Path) -> list[tuple[RunFolder, Submission]]:
    """What was submitted from this checkout and not fetched yet, the newest first.

    A checkout may hold files of anybody's: only what our own ledger knows, under the same host and folder, is ours.
    """
    noted = {entry.name: entry.details for entry in entries(root)}
    pairs = ((folder, read(folder)) for folder in store.runs(root) if not (folder.path / "record.json").exists())
    return [(folder, found) for folder, found in pairs if found is not None and _is_noted(folder, found, noted)]


def _is_noted(folder: RunFolder, found: Submission, noted: dict[str, dict[str, str]]) -> bool:
    details = noted.get(folder.name, {})
    return (details.get("host"), details.get("folder")) == (found.host, found.job.folder)


def read(folder: RunFolder) -> Optional[Submission]:
    """What a run's folder says was submitted; None where nothing was. Its files come to that folder only."""
    found = result.read(folder.path / store.SUBMITTED, Submission)
    if found is None:
        return None
    tasks = tuple(
        msgspec.structs.replace(
            task,
            log=str(shard_tasks.log_of(folder, index)),
            results=(("result", str(shard_tasks.folder_of(folder, index) / "result")),),
        )
        for index, task in enumerate(found.job.tasks)
    )
    return msgspec.structs.replace(found, job=msgspec.structs.replace(found.job, tasks=tasks))


def plan_of(folder: RunFolder) -> Plan:
    """The plan of a submitted run. Raises UsageError where it is gone."""
    found = result.read(folder.path / "plan.json", Plan)
    if found is None:
        raise UsageError(f"{folder.shown} has no plan any more", "remove that folder, and submit again")
    return found


def write(folder: RunFolder, submission: Submission, secrets: tuple[str, ...]) -> None:
    """Write ``submitted.json``, secrets masked: what is needed of the tasks later are their files."""
    atomic.write(folder.path / store.SUBMITTED, atomic.to_json(store.masked(submission, secrets), indent=1))


def chosen(root: Path, arguments: Arguments, session: str) -> tuple[RunFolder, Submission]:
    """The run that is meant: by a part of its name or its job's id, else the newest.

    Raises:
        UsageError: there is none, or there are several.
    """
    known = submitted(root)
    if len(arguments.rest) > 1:
        raise UsageError(f"{session} takes one run", f"nox -s {session} -- --help shows the step's options")
    wanted = arguments.rest[0] if arguments.rest else ""
    exact = [(folder, found) for folder, found in known if wanted in (found.job.id, folder.name)]
    meant = exact or [(folder, found) for folder, found in known if wanted in folder.name]
    if len(meant) > 1 and wanted:
        which = ", ".join(f"{folder.name} (job {found.job.id})" for folder, found in meant)
        raise UsageError(f"{wanted!r} is a part of several names: {which}", "name one of them by its job's id")
    if meant:
        return meant[0]
    called = f" called {wanted!r}" if wanted else ""
    raise UsageError(
        f"nothing{called} is submitted and not fetched yet",
        "nox -s hpc_status lists what is; nox -s hpc_submit submits",
    )


def strike(run: str) -> None:
    """The run is over: nothing of it is on a cluster any more."""
    ledger = Ledger()
    for entry in ledger.entries():
        if entry.kind == KIND and entry.name == run:
            ledger.strike(entry)


def strike_one(entry: Entry) -> None:
    Ledger().strike(entry)
