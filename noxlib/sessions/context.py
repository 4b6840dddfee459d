"""What a step is given: its name, its Python, its arguments, the project's folder. No step needs nox itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import msgspec

from noxlib.sessions.arguments import Arguments, Option, parse


class Context(msgspec.Struct, frozen=True):
    """One call of a step."""

    session: str  #: ``unit-3.10``
    step: str  #: ``unit``
    purpose: str  #: the step's one line, shown by ``nox -l`` and ``--help``
    python: str  #: ``3.10``; empty for a step without Pythons
    root: Path
    posargs: tuple[str, ...] = ()

    def parse(self, *options: Option) -> Arguments:
        """The arguments, checked against the step's own options."""
        return parse(self.session, self.purpose, self.posargs, options)


def under_ci() -> bool:
    """Whether this is a CI run: what may fall back on a laptop is an error there."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")


def on_terminal() -> bool:
    """Whether a person can answer a prompt: there is a terminal, and it is not somebody else's at the moment."""
    if sys.stdin is None or not sys.stdin.isatty() or not sys.stdout.isatty():
        return False
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()  # else `nox … &`: it would be stopped by its first key
    except OSError:  # a terminal, but not the one that controls this process
        return True


def say(text: str) -> None:
    """A plain line to the user, at once."""
    print(text, flush=True)
