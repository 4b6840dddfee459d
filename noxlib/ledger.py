"""What we started, until it is gone: one small file for each thing, written before the thing exists.

A thing belongs to the process that started it. A process is known by its pid, its start time and the boot of its
machine, so that a pid that was given out again is not taken for the owner. Labels on the engine's side carry the same
three values.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Optional

import msgspec

from noxlib import atomic
from noxlib.errors import CacheError, NoxlibError, of_machine
from noxlib.owner import Owner, forsaken, identity, look, prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Entries of owners that cannot be looked at from here (another machine, another pid namespace) count as orphans
#: this many seconds after they were made, or after their own ``expires``.
FOREIGN_SECONDS = 7 * 24 * 3600.0
_TEMPORARY_SECONDS = 3600.0


class Entry(msgspec.Struct, frozen=True):
    """One thing that we started. ``created`` and ``expires`` are seconds since the epoch. Holds no secrets."""

    id: str
    kind: str
    name: str
    owner: Owner
    created: float
    expires: Optional[float] = None
    details: dict[str, str] = {}
    detached: bool = False  #: outlives its owner by intention: an orphan only once it has expired


class Reaped(msgspec.Struct, frozen=True):
    """What became of an orphan: ``removed``, or ``kept`` with the reason."""

    entry: Entry
    outcome: Literal["removed", "kept"]
    reason: str = ""


def state_folder() -> Path:
    """The folder for noxlib's own state on this machine: ``NOXLIB_CACHE_DIR``, else the user's cache folder."""
    chosen = os.environ.get("NOXLIB_CACHE_DIR")
    if chosen:
        return Path(chosen).expanduser().absolute()
    import platformdirs  # noqa: PLC0415 - not needed where the variable is set

    return platformdirs.user_cache_path("noxlib")


def refusal(error: OSError) -> Optional[NoxlibError]:
    """The two lines of what the machine refused, a folder for noxlib's state too; None for a mistake of ours."""
    folder = state_folder()
    if error.errno == errno.ENOENT and error.filename in map(str, (folder, *folder.parents)):  # as below /proc
        return CacheError(f"the folder {folder} cannot be made", "set NOXLIB_CACHE_DIR to a folder that can")
    return of_machine(error)


class Ledger:
    """The entries below one folder; any number of processes may write at once."""

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = (folder or state_folder()) / "ledger"

    def add(
        self,
        kind: str,
        name: str,
        *,
        details: dict[str, str] | None = None,
        expires: float | None = None,
        detached: bool = False,
    ) -> Entry:
        """Note a thing that is about to be started: container, volume, folder, process, … Raises CacheError."""
        created = time.time()
        entry_id = f"{int(created * 1_000_000):016d}-{os.getpid()}-{secrets.token_hex(4)}"
        entry = Entry(entry_id, kind, name, identity(), created, expires, details or {}, detached)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            atomic.write(self._path(entry), atomic.to_json(entry), prefix=prefix())
        except OSError as error:
            raise CacheError(
                f"the ledger {self.folder} cannot be written: {error.strerror}",
                "make the folder writable or free space there, or set NOXLIB_CACHE_DIR to another folder",
                cause="disk-full" if error.errno in (errno.ENOSPC, errno.EDQUOT) else None,
            ) from error
        return entry

    def remember(self, path: Path, data: bytes, *, mode: int = 0o600) -> None:
        """Write a file below the state folder; what a killed writer left half written is swept here. Raises OSError."""
        for folder in (self.folder, path.parent):
            folder.mkdir(parents=True, exist_ok=True)
        atomic.write(path, data, mode=mode, prefix=prefix(), folder=self.folder)

    def strike(self, entry: Entry) -> None:
        """Strike out a thing that is gone; striking twice is fine."""
        self._path(entry).unlink(missing_ok=True)

    def entries(self) -> tuple[Entry, ...]:
        """All entries, oldest first. A damaged file is moved to ``damaged/`` and reported."""
        if not self.folder.is_dir():
            return ()
        paths = sorted(self.folder.iterdir())
        found = [self._read(path) for path in paths if path.suffix == ".json" and not path.name.startswith(".")]
        _sweep_temporary([path for path in paths if path.name.startswith(".tmp-")])
        return tuple(entry for entry in found if entry)

    def orphans(self) -> tuple[Entry, ...]:
        """The entries whose owner is dead, or cannot be seen from here and the entry is past its time."""
        return tuple(entry for entry in self.entries() if _is_orphan(entry))

    def _path(self, entry: Entry) -> Path:
        return self.folder / f"{entry.id}.json"

    def _read(self, path: Path) -> Entry | None:
        try:
            entry = atomic.from_json(path.read_bytes(), Entry)
            if self._path(entry) == path:
                return entry
            raise ValueError("its name is not its id")  # noqa: TRY301 - a damage like the others
        except FileNotFoundError:  # struck out meanwhile
            return None
        except (OSError, ValueError) as error:
            _move_aside(path, error)
            return None


def reap(ledger: Ledger, removers: Mapping[str, Callable[[Entry], bool]]) -> tuple[Reaped, ...]:
    """Remove what dead owners left and strike it out, the newest first; nothing of a live owner is touched.

    What was started last may still write to what was made before it: a container to the folder that it is given.

    Args:
        ledger: The ledger to work through.
        removers: For each kind a function that removes the thing, if it is there, and tells whether it is gone now.
            Two processes may reap at once, so removing what is absent is a success.
    """
    return tuple(_reap_one(ledger, entry, removers.get(entry.kind)) for entry in reversed(ledger.orphans()))


def _reap_one(ledger: Ledger, entry: Entry, remover: Callable[[Entry], bool] | None) -> Reaped:
    if remover is None:
        return Reaped(entry, "kept", f"nothing here removes a {entry.kind}")
    try:
        gone = remover(entry)
    except (NoxlibError, OSError) as error:
        return Reaped(entry, "kept", str(error).splitlines()[0])
    if not gone:
        return Reaped(entry, "kept", "it is still there")
    ledger.strike(entry)
    return Reaped(entry, "removed")


def _is_orphan(entry: Entry) -> bool:
    if entry.detached:
        return entry.expires is not None and time.time() > entry.expires
    state = look(entry.owner)
    past = time.time() > (entry.expires if entry.expires is not None else entry.created + FOREIGN_SECONDS)
    return state == "dead" or (state == "unknown" and past)


def _move_aside(path: Path, error: Exception) -> None:
    aside = path.parent / "damaged"
    try:
        aside.mkdir(exist_ok=True)
        path.replace(aside / path.name)
    except OSError as problem:
        error = problem
    print(f"noxlib: a damaged ledger entry, {path.name}, was put into {aside} ({error})", file=sys.stderr, flush=True)


def _sweep_temporary(paths: list[Path]) -> None:
    """Remove what writers left that were killed in the middle of a write."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # written to its end, or swept by another
            if forsaken(path.name) or time.time() - path.stat().st_mtime > _TEMPORARY_SECONDS:
                path.unlink()
