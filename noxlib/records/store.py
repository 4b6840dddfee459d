"""Runs on disk: a folder each, with its plan, its record and whose it is; older records are read as well."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from datetime import datetime, timezone
from pathlib import Path  # noqa: TC003 - msgspec resolves the annotations
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.ledger import identity, state_folder
from noxlib.records import record as current
from noxlib.records.record import Record
from noxlib.secret import Masker, known_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from noxlib.plan import Plan

T = TypeVar("T")

#: ``MIGRATIONS[n]`` turns the JSON object of version n into that of version n + 1.
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(.+)-([0-9a-f]{6})")
_LIMIT = 256 << 20  # bytes of a record


class RunFolder(msgspec.Struct, frozen=True):
    """``<UTC>-<session>-<id>/`` with plan.json, record.json, owner.json, junit.xml, report.jsonl, coverage/, logs/."""

    path: Path
    checkout: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def session(self) -> str:
        """The session's name as the folder's name has it."""
        match = _NAME.fullmatch(self.name)
        return match[2] if match else self.name

    @property
    def started(self) -> datetime:
        """When it was made, to the second."""
        return datetime.strptime(self.name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=timezone.utc)

    @property
    def shown(self) -> str:
        """The path as a user in the checkout would write it."""
        return os.path.relpath(self.path, self.checkout) if self.checkout in self.path.parents else str(self.path)


def new_run(checkout: Path, session: str) -> RunFolder:
    """Make the folder of a new run, with ``logs/`` and ``result/``, in the checkout or, where that cannot be, in ours.

    Raises RecordError if neither can be written.
    """
    utc = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    name = f"{utc}-{re.sub(r'[^A-Za-z0-9._-]+', '-', session)[:80]}-{secrets.token_hex(3)}"
    problem: OSError | None = None
    for parent in _homes(checkout):
        try:
            path = parent / name
            (path / "logs").mkdir(parents=True)
            (path / "result").mkdir()
            atomic.write(path / "owner.json", atomic.to_json(identity()))
            _ignore(checkout / ".noxlib")
        except OSError as error:  # noqa: PERF203 - a read-only checkout, or something in the way
            problem = error
        else:
            return RunFolder(path, checkout)
    assert problem is not None  # there are homes
    raise RecordError(
        f"no folder for the run can be made: {problem}", "make the checkout writable, or set NOXLIB_CACHE_DIR"
    ) from problem


def write_plan(folder: RunFolder, plan: Plan) -> None:
    """Write ``plan.json``, secrets masked. Raises RecordError."""
    _write(folder.path / "plan.json", plan, known_secrets({**os.environ, **plan.environment}))


def write_record(folder: RunFolder, record: Record) -> None:
    """Write ``record.json``, secrets masked. Raises RecordError."""
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


def runs(checkout: Path) -> list[RunFolder]:
    """The runs of a checkout, the newest first."""
    found = [
        RunFolder(path, checkout)
        for parent in _homes(checkout)
        if parent.is_dir()
        for path in parent.iterdir()
        if _NAME.fullmatch(path.name) and path.is_dir() and not path.is_symlink()
    ]
    return sorted(found, key=_age, reverse=True)


def masked(value: T, secrets_: tuple[str, ...]) -> T:
    """A struct with every text in it masked."""
    if not secrets_:
        return value
    return msgspec.convert(_mask_all(msgspec.to_builtins(value), Masker(secrets_)), type(value))


def _write(path: Path, value: Plan | Record, secrets_: tuple[str, ...]) -> None:
    try:
        atomic.write(path, atomic.to_json(masked(value, secrets_), indent=1), mode=0o644)
    except OSError as error:
        raise RecordError(
            f"{path} cannot be written: {error.strerror}", "free space there, or make it writable"
        ) from error


def _mask_all(value: Any, masker: Masker) -> Any:
    if isinstance(value, str):
        return masker.mask(value)
    if isinstance(value, dict):
        return {name: _mask_all(item, masker) for name, item in value.items()}
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


def _homes(checkout: Path) -> list[Path]:
    """Where runs of a checkout may lie: below it, unless a link would lead elsewhere; and in our own state folder."""
    own = checkout / ".noxlib"
    digest = hashlib.sha256(os.fsencode(checkout.absolute())).hexdigest()[:16]
    state = state_folder() / "runs" / digest
    if own.is_symlink() or (own / "runs").is_symlink():
        return [state]
    return [own / "runs", state]


def _ignore(own: Path) -> None:
    """Keep our folder out of git without a change of the project's own .gitignore."""
    file = own / ".gitignore"
    if own.is_dir() and not os.path.lexists(file):
        atomic.write(file, b"*\n", mode=0o644)


def _age(folder: RunFolder) -> tuple[str, float, str]:
    try:
        made = (folder.path / "owner.json").stat().st_mtime
    except OSError:
        made = 0.0
    return folder.name[:16], made, folder.name
