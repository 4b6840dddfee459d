"""``reap``: remove what dead runs left behind, and say what stays and why."""

from __future__ import annotations

from noxlib.errors import EngineError
from noxlib.ledger import Ledger
from noxlib.places import kept as stacks
from noxlib.sessions import reaping
from noxlib.sessions.arguments import DRY_RUN, no_rest
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        EngineError: something of a dead run could not be removed.
    """
    arguments = context.parse(DRY_RUN)
    no_rest(context.session, arguments)
    if arguments["dry_run"]:
        for entry in Ledger().orphans():
            say(f"would remove the {entry.kind} {entry.name}")
        return
    _ask_silent_machines()
    done = reaping.sweep(context.root)
    for name in _unlisted():
        say(f"noxlib: removed {name}, which the ledger did not know, of a run that died")
    kept = [reaped for reaped in done if reaped.outcome == "kept"]
    for reaped in kept:
        say(f"kept the {reaped.entry.kind} {reaped.entry.name}: {reaped.reason}")
    for entry in stacks.everything(Ledger()):
        say(f"stays up: {stacks.told(entry)}")
    say(f"reap: {len(done) - len(kept)} removed, {len(kept)} kept")
    if kept:
        raise EngineError(
            f"{len(kept)} things of dead runs could not be removed", "start their engine, then reap again"
        )


def _ask_silent_machines() -> None:
    """Who reaps by hand has started a machine that did not answer; a session's start asks it every ten minutes only."""
    from noxlib.places import unanswered  # noqa: PLC0415 - only where machines were used

    unanswered.ask_again(Ledger().folder.parent)


def _unlisted() -> tuple[str, ...]:
    """The second witness: labels on the engine's side, where there is an engine."""
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - no other part of this step needs an engine
    from noxlib.places.leftovers import unowned  # noqa: PLC0415

    try:
        docker = Docker.connect()
    except EngineError as error:
        say(f"reap: {error.what}; only the ledger was asked")
        return ()
    return unowned(docker)
