"""The folders of runs: where they lie, whose they are, which there are."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import msgspec

from noxlib import atomic
from noxlib.errors import RecordError
from noxlib.ledger import state_folder
from noxlib.owner import forsaken, identity, prefix

RESERVE = "reserve"  #: a file in the run's folder that makes way for the record
RESERVED = 128 * 1024  #: bytes: a record with some hundred failures, and what an atomic write needs beside it
_NAME = re.compile(r"(\d{8}T\d{6}Z)-(.+)-([0-9a-f]{6})")


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

    It holds some bytes in reserve, so that a record can be written where the tests filled the disk.

    Raises RecordError if neither can be written.
    """
    utc = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    name = f"{utc}-{re.sub(r'[^A-Za-z0-9._-]+', '-', session)[:80]}-{secrets.token_hex(3)}"
    problem: OSError | None = None
    for parent in _homes(checkout):
        try:
            _make(parent / name)
            if checkout in parent.parents:
                _ignore(checkout / ".noxlib")
        except OSError as error:
            problem = error
            for half in (parent / f"{prefix()}{name}", parent / name):
                shutil.rmtree(half, ignore_errors=True)
        else:
            return RunFolder(parent / name, checkout)
    assert problem is not None  # there are homes
    raise RecordError(
        f"no folder for the run can be made: {problem}",
        "make the checkout writable or free space there, or set NOXLIB_CACHE_DIR",
    ) from problem


def _make(path: Path) -> None:
    """It is there at once with its owner: of one who is killed in the middle no run is left that is nobody's."""
    made = path.with_name(f"{prefix()}{path.name}")
    (made / "logs").mkdir(parents=True)
    (made / "result").mkdir()
    atomic.write(made / "owner.json", atomic.to_json(identity()))
    (made / RESERVE).write_bytes(bytes(RESERVED))
    made.replace(path)


def runs(checkout: Path) -> list[RunFolder]:
    """The runs of a checkout, the newest first."""
    return sorted(unsorted(checkout), key=_age, reverse=True)


def unsorted(checkout: Path) -> Iterator[RunFolder]:
    """The runs of a checkout in no order, at the cost of one listing."""
    return (RunFolder(path, checkout) for path in _below(checkout) if _NAME.fullmatch(path.name))


def swept(checkout: Path) -> Iterator[RunFolder]:
    """The same; what a process left that was killed while it made a run's folder is removed on the way."""
    for path in _below(checkout):
        if _NAME.fullmatch(path.name):
            yield RunFolder(path, checkout)
        elif forsaken(path.name):
            shutil.rmtree(path, ignore_errors=True)


def _below(checkout: Path) -> Iterator[Path]:
    for parent in _homes(checkout):
        if parent.is_dir():
            with os.scandir(parent) as entries:
                found = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
            yield from (parent / name for name in found)


def derived(checkout: Path, name: str) -> Path:
    """The path of a file that is made of the runs: beside them, or in our own state folder. Raises OSError."""
    own = checkout / ".noxlib"
    below, state = len(_homes(checkout)) > 1, _homes(checkout)[-1]
    if below and os.access(own if own.is_dir() else checkout, os.W_OK):
        own.mkdir(exist_ok=True)
        _ignore(own)
    else:
        own = state
        own.mkdir(parents=True, exist_ok=True)
    if (own / name).is_symlink():
        (own / name).unlink()  # somebody's doing: it would lead elsewhere
    return own / name


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
    if own.is_dir() and not own.is_symlink() and not os.path.lexists(file):
        atomic.write(file, b"*\n", mode=0o644)


def _age(folder: RunFolder) -> tuple[str, float, str]:
    try:
        made = (folder.path / "owner.json").stat().st_mtime
    except OSError:
        made = 0.0
    return folder.name[:16], made, folder.name
