"""Workspaces and environments of checkouts that are gone: nobody will ask for them again."""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from noxlib import atomic, locks

if TYPE_CHECKING:
    from collections.abc import Iterator

AT_ONCE = 4  #: checkouts whose files go with each environment that is made: to remove many takes minutes


def sweep(state: Path, of_slot: Callable[[Path], str]) -> None:
    """Remove what belongs to some checkouts that are gone; what is in use, or cannot be removed, stays.

    Args:
        state: The state folder.
        of_slot: How the names of a slot's environments begin.
    """
    for folder in itertools.islice(_gone(state / "workspaces"), AT_ONCE):
        with contextlib.suppress(OSError):
            _remove(state / "environments", folder, of_slot)


def _gone(workspaces: Path) -> Iterator[Path]:
    for note in workspaces.glob("*/checkout"):
        with contextlib.suppress(OSError, ValueError):
            if not Path(note.read_text(encoding="utf-8", errors="surrogateescape")).exists():
                yield note.parent


def _remove(environments: Path, folder: Path, of_slot: Callable[[Path], str]) -> None:
    """The checkout's own note last, by which what is left is found again."""
    for slot in [path for path in folder.iterdir() if path.is_dir()]:
        with locks.if_unshared(slot / "lock") as free:
            if not free:
                return
            for environment in environments.glob(f"{of_slot(slot)}-*"):
                atomic.remove_tree(environment)
            atomic.remove_tree(slot)
    atomic.remove_tree(folder)
