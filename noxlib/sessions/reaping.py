"""What dead runs left: removed at the start of every session and by ``reap``; a live run is never touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from noxlib.errors import EngineError
from noxlib.ledger import Entry, Ledger, Reaped, reap
from noxlib.sessions.context import say


def sweep(root: Path) -> tuple[Reaped, ...]:
    """Remove what dead owners left, and write the records that they no longer could.

    Costs one listing of a folder where nothing was left.
    """
    ledger = Ledger()
    done = reap(ledger, REMOVERS) if ledger.orphans() else ()
    for reaped in done:
        if reaped.outcome == "removed":
            say(f"noxlib: removed the {reaped.entry.kind} {reaped.entry.name} of a run that died")
    _finish_records(root)
    return done


def _finish_records(root: Path) -> None:
    from noxlib.records import store  # noqa: PLC0415 - also read by steps that only sweep

    for name in store.finish_dead(root):
        say(f"noxlib: the run {name} had died; its record is written now")


def _container(entry: Entry) -> bool:
    """Removed at the engine where it was started; one that cannot be reached keeps the entry."""
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - only where a container was left

    engine = Docker.connect()
    if str(engine.endpoint) != entry.details.get("endpoint", str(engine.endpoint)):
        raise EngineError(f"it belongs to the engine at {entry.details['endpoint']}", "choose that engine, then reap")
    engine.remove(entry.name)
    return True


def _folder(entry: Entry) -> bool:
    from noxlib.places.overlay import remove_scratch  # noqa: PLC0415

    remove_scratch(Path(entry.name))
    return True


REMOVERS: Mapping[str, Callable[[Entry], bool]] = {"container": _container, "scratch": _folder, "folder": _folder}
