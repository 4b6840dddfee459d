"""``unit-X``: the unit tests in the testground of one Python."""

from __future__ import annotations

from noxlib.sessions import running, suites
from noxlib.sessions.arguments import AT, PLACE, PLATFORM, SHARDS, TESTGROUND
from noxlib.sessions.context import Context


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    options = (PLACE, PLATFORM, TESTGROUND, AT, SHARDS)
    if not any(word.partition("=")[0] == AT.name for word in context.posargs):
        running.run_suite(context, suites.unit, options=options)
        return
    from noxlib.sessions import at_commit  # noqa: PLC0415 - brings the registry

    at_commit.run_suite(context, suites.unit, options=options)
