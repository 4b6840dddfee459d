"""``unit-X``: the unit tests in the testground of one Python."""

from __future__ import annotations

from noxlib.sessions import running, suites
from noxlib.sessions.arguments import PLACE, TESTGROUND
from noxlib.sessions.context import Context


def run(context: Context) -> None:
    """Carry the step out; words after the step's options go to pytest."""
    running.run_suite(context, suites.unit, options=(PLACE, TESTGROUND))
