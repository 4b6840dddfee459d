"""Records of runs that could not write their own: their process was killed, or its machine went down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib import __version__, atomic
from noxlib.ledger import Owner, alive, identity
from noxlib.plan import Plan, Task
from noxlib.records.record import PlaceSection, Record, TestgroundSection, timestamp
from noxlib.records.result import read_progress, result_folder
from noxlib.records.store import RunFolder, runs, write_record

if TYPE_CHECKING:
    from pathlib import Path


def finish_dead(checkout: Path) -> tuple[Record, ...]:
    """Write the record of each run of a checkout that has none and whose process is dead. Raises RecordError."""
    return tuple(
        _finish(folder, owner)
        for folder in runs(checkout)
        if not (folder.path / "record.json").exists() and (owner := _owner(folder)) and not alive(owner)
    )


def _finish(folder: RunFolder, owner: Owner) -> Record:
    killed = owner.boot.split(".")[1:2] == identity().boot.split(".")[1:2]
    plan = _plan(folder)
    progress = read_progress(result_folder(folder.path))
    record = Record(
        run=folder.name,
        session=plan.session,
        suite=plan.suite,
        python=plan.python,
        project=plan.project,
        outcome="cancelled" if killed else "error",
        cause="killed" if killed else "lost",
        message="noxlib itself was killed" if killed else "the machine went down during the run",
        started=timestamp(folder.started),
        place=PlaceSection(plan.place, plan.place_reason, plan.fallback) if plan.place else None,
        testground=TestgroundSection(
            image=plan.image, fingerprint=plan.fingerprint, lock=plan.lock, prepared=plan.prepared
        ),
        counts=progress.counts,
        failures=progress.failures,
        select=plan.task.select,
        argv=plan.task.arguments,
        noxlib=__version__,
    )
    write_record(folder, record)
    return record


def _owner(folder: RunFolder) -> Owner | None:
    """The process that made the folder; None where that cannot be read: then the run is left alone."""
    try:
        return atomic.from_json((folder.path / "owner.json").read_bytes(), Owner)
    except (OSError, ValueError):
        return None


def _plan(folder: RunFolder) -> Plan:
    """The run's plan; where it was killed before it had one, what the folder's name tells."""
    try:
        return atomic.from_json((folder.path / "plan.json").read_bytes(), Plan)
    except (OSError, ValueError):
        suite, _, python = folder.session.rpartition("-")
        suite, python = (suite, python) if suite else (python, "")
        task = Task(folder.session, suite, python, workspace="", result="")
        return Plan(folder.session, suite, python, project="", place="", place_reason="", task=task)
