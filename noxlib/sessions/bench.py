"""Benchmarks: the project's ``benchmarks/__main__.py``, on this machine."""

from __future__ import annotations

import sys

from noxlib.sessions import tools
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; words after ``--`` go to the benchmarks."""
    arguments = context.parse(DRY_RUN)
    if not (context.root / "benchmarks" / "__main__.py").exists():
        raise tools.nothing_to_do(
            context.session,
            "there is no benchmarks/__main__.py",
            "write one that prints target, measured, met or missed",
        )
    command = (sys.executable, "-m", "benchmarks", *arguments.rest)
    if arguments["dry_run"]:
        say(" ".join(command))
        return
    tools.run(context.session, command, context.root)
