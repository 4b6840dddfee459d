"""Runs on disk: plans and records written, secrets masked; records of every version read; the dead ones finished."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from noxlib import __version__, atomic
from noxlib.errors import RecordError
from noxlib.owner import Owner, alive, forsaken, identity, prefix
from noxlib.plan import Limits, Plan, Task
from noxlib.records import record as current
from noxlib.records import result as results
from noxlib.records.folders import RESERVE, RunFolder, new_run, runs, swept
from noxlib.records.record import PlaceSection, Record, TestgroundSection, timestamp
from noxlib.secret import Masker, known_secrets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["RunFolder", "finish_dead", "masked", "new_run", "read_record", "runs", "write_plan", "write_record"]

T = TypeVar("T")

#: ``MIGRATIONS[n]`` turns the JSON object of version n into that of version n + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda found: found,  # version 2 only added sections: profile, machine, services, tasks
}
SUBMITTED = "submitted.json"  #: in the folder of a run that goes on without the process that submitted it
_LIMIT = 256 << 20  # bytes of a record


def write_plan(folder: RunFolder, plan: Plan) -> None:
    """Write ``plan.json``, secrets masked. Raises RecordError."""
    _write(folder.path / "plan.json", plan, known_secrets({**os.environ, **plan.environment}))


def write_record(folder: RunFolder, record: Record) -> None:
    """Write ``record.json``, secrets masked, into the space kept in reserve for it. Raises RecordError."""
    (folder.path / RESERVE).unlink(missing_ok=True)
    _write(folder.path / "record.json", record, known_secrets(os.environ))


def read_record(path: Path) -> Record:
    """Read a record of this version or an older one; ``path`` is the file or its run's folder. Raises RecordError."""
    file = path / "record.json" if path.is_dir() else path
    try:
        if file.stat().st_size > _LIMIT:
            raise ValueError(f"it is larger than {_LIMIT} bytes")  # noqa: TRY301 - a damage like the others
        found = atomic.from_json(file.read_bytes(), dict[str, Any])
        version = msgspec.convert(found.get("version", 0), int)
        return msgspec.convert(_migrated(found, version, file), Record)
    except OSError as error:
        raise RecordError(f"the record {file} cannot be read: {error.strerror}", "name the folder of a run") from error
    except (ValueError, msgspec.MsgspecError) as error:
        raise RecordError(f"the record {file} is damaged: {error}", "remove that run's folder") from error


def finish_dead(checkout: Path) -> tuple[str, ...]:
    """Write the records of runs that have none and whose process is dead; the names of these runs.

    What a process left that died before its run had a folder is removed. Raises RecordError.
    """
    return tuple(
        _finish(folder, owner)
        for folder in swept(checkout)
        if not os.path.lexists(folder.path / "record.json")
        and not os.path.lexists(folder.path / SUBMITTED)
        and (owner := _owner(folder))
        and not alive(owner)
    )


def masked(value: T, secrets_: tuple[str, ...]) -> T:
    """A struct with every text in it masked."""
    if not secrets_:
        return value
    return msgspec.convert(_mask_all(msgspec.to_builtins(value), Masker(secrets_)), type(value))


def _write(path: Path, value: Plan | Record, secrets_: tuple[str, ...]) -> None:
    try:
        atomic.write(path, atomic.to_json(masked(value, secrets_), indent=1), mode=0o644, prefix=prefix())
    except OSError as error:
        raise RecordError(
            f"{path} cannot be written: {error.strerror}", "free space there, or make it writable"
        ) from error


def _mask_all(value: Any, masker: Masker) -> Any:
    if isinstance(value, str):
        return masker.mask(value)
    if isinstance(value, dict):
        # An outcome is one of our own words, whatever somebody's password is.
        return {name: item if name == "outcome" else _mask_all(item, masker) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mask_all(item, masker) for item in value]
    return value


def _migrated(found: dict[str, Any], version: int, file: Path) -> dict[str, Any]:
    if version > current.VERSION:
        raise RecordError(
            f"{file} was written by a newer noxlib (record version {version}, this one reads up to {current.VERSION})",
            "update noxlib",
        )
    while version < current.VERSION:
        if version not in MIGRATIONS:
            raise ValueError(f"there never was a version {version}")
        found, version = MIGRATIONS[version](found), version + 1
    return {**found, "version": version}


def _finish(folder: RunFolder, owner: Owner) -> str:
    for half in [path for path in folder.path.glob(".tmp-*") if forsaken(path.name)]:
        with contextlib.suppress(OSError):  # another removes it too; or the tests made a folder of that name
            half.unlink()
    killed = owner.boot.split(".")[1:2] == identity().boot.split(".")[1:2]
    plan = _plan(folder)
    places = (folder.path, *sorted(folder.path.glob("tasks/*")))
    progress = results.read_progress(*(results.result_folder(place) for place in places))
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
    return folder.name


def _owner(folder: RunFolder) -> Owner | None:
    """The process that made the folder; None where that cannot be read: then the run is left alone."""
    return results.read(folder.path / "owner.json", Owner)


def _plan(folder: RunFolder) -> Plan:
    """The run's plan; where it was killed before it had one, what the folder's name tells."""
    suite, _, python = folder.session.rpartition("-")
    suite, python = (suite, python) if suite else (python, "")
    task = Task(folder.session, suite, python, workspace="", result="")
    unknown = Plan(folder.session, suite, python, project="", place="", place_reason="", task=task, limits=Limits())
    return results.read(folder.path / "plan.json", Plan) or unknown
