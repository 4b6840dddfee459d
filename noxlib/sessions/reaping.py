"""What dead runs left: removed at the start of every session and by ``reap``; a live run is never touched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from noxlib.ledger import Ledger, Reaped, reap
from noxlib.sessions.context import say

if TYPE_CHECKING:
    from pathlib import Path


def sweep(root: Path) -> tuple[Reaped, ...]:
    """Remove what dead owners left, and write the records that they no longer could.

    Costs the listing of two folders where nothing was left.
    """
    ledger = Ledger()
    done = _reap(ledger) if ledger.orphans() else ()
    for reaped in done:
        if reaped.outcome == "removed":
            why = "which nobody asked for any more" if reaped.entry.detached else "of a run that died"
            say(f"noxlib: removed the {reaped.entry.kind} {reaped.entry.name} {why}")
    _finish_records(root)
    return done


def _reap(ledger: Ledger) -> tuple[Reaped, ...]:
    from noxlib.places.leftovers import Removers  # noqa: PLC0415 - only where something was left

    return reap(ledger, Removers(ledger).by_kind())


def _finish_records(root: Path) -> None:
    from noxlib.records import store  # noqa: PLC0415 - as above

    for name in store.finish_dead(root):
        say(f"noxlib: the run {name} had died; its record is written now")
