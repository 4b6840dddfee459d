"""What dead runs left on other machines, some of which do not answer: asked seldom, and at last taken for gone."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Callable, Optional

from noxlib import atomic
from noxlib.errors import EngineError, NoxlibError

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.ledger import Entry

FOLDER = "silent"  #: of the state folder: a file for each machine that did not answer
REAP_SECONDS = 10.0  #: for a machine to answer that has something to be removed: each start of a session waits for it
AGAIN_SECONDS = 600.0  #: until a machine that did not answer is asked again
FORGET_SECONDS = 7 * 24 * 3600.0  #: until a machine that never answered again is taken for gone


def remove(entry: Entry, state: Path, machine: str, act: Callable[[], None], *, forget: float = FORGET_SECONDS) -> bool:
    """Remove what an entry of the ledger names, if the machine answers; for ``noxlib.ledger.reap``.

    Args:
        entry: Of the ledger.
        state: The state folder.
        machine: Its name: entries of one machine wait together.
        act: Removes the thing; raises NoxlibError where that cannot be done now.
        forget: Seconds after which an entry whose machine never answered again is given up.

    Raises:
        NoxlibError: The machine does not answer, or refuses.
    """
    silent = state / FOLDER / hashlib.sha256(machine.encode()).hexdigest()[:16]
    age = _age(silent)
    if age is not None and age < AGAIN_SECONDS:
        raise EngineError(f"{machine} did not answer {age / 60:.0f} min ago", "start it, then: nox -s reap")
    try:
        act()
    except NoxlibError:
        silent.parent.mkdir(parents=True, exist_ok=True)
        silent.touch()
        if time.time() - entry.created <= forget:
            raise
        days = forget / (24 * 3600)
        print(f"noxlib: {machine} has not answered for {days:g} days; {entry.name} is given up", flush=True)
        return True
    silent.unlink(missing_ok=True)
    return True


def ask_again(state: Path) -> None:
    """Forget which machines did not answer: the next call asks them. Raises OSError."""
    atomic.remove_tree(state / FOLDER)


def _age(path: Path) -> Optional[float]:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
