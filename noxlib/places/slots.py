"""Workspaces of the venv place: one for each checkout and Python, another where two runs meet."""

from __future__ import annotations

import fcntl
import hashlib
import os
from typing import IO, TYPE_CHECKING

from noxlib.errors import PlaceError

if TYPE_CHECKING:
    from pathlib import Path

SLOTS = 64  #: runs at once of one Python in one checkout


class Slot:
    """A folder that belongs to this process until ``release``, or until the process ends, however it ends.

    ``workspace`` keeps its path from run to run, because what a project's build makes may name it.
    """

    def __init__(self, folder: Path, lock: IO[bytes]) -> None:
        self._lock = lock
        self.folder = folder
        self.lock = folder / "lock"  #: locked while the slot is taken
        self.workspace = folder / "workspace"  #: copy of the checkout
        self.site = folder / "site"  #: link to the prepared site folder
        self.empty = folder / "empty"  #: what ``site`` leads to where nothing was prepared
        self.home = folder / "home"  #: HOME of the tests

    def lent(self) -> Slot:
        """The same slot for a guest: the kernel's lock goes when the last of its handles is closed."""
        return Slot(self.folder, os.fdopen(os.dup(self._lock.fileno()), "ab"))

    def release(self) -> None:
        self._lock.close()  # the kernel's lock goes with its handle


def take(state: Path, checkout: Path, python: str) -> Slot:
    """The first free slot of a checkout and a Python, below the state folder.

    Raises:
        PlaceError: The state folder cannot be written, or all slots are taken.
    """
    key = hashlib.sha256(str(checkout.resolve()).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    for number in range(SLOTS):
        folder = state / "workspaces" / key / (f"{python}-{number}" if number else python)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / "lock").open("ab")
        except OSError as error:
            raise PlaceError(
                f"{folder} cannot be written: {error.strerror}",
                "make it writable, or set NOXLIB_CACHE_DIR to another folder",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
        else:
            (folder.parent / "checkout").write_text(str(checkout), encoding="utf-8", errors="surrogateescape")
            return Slot(folder, lock)
    raise PlaceError(f"{SLOTS} runs of Python {python} are under way in {checkout}", "wait for one of them to end")
