"""Some of noxlib's steps under other tags, a suite and a step of our own, and a plain nox session beside them."""

from __future__ import annotations

import nox

import noxlib
from noxlib.config.models import Config
from noxlib.errors import UsageError
from noxlib.sessions.arguments import Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.running import run_suite
from noxlib.sessions.suites import Suite
from noxlib.steps import Step

SHOUT = Option("--shout", "in capitals")


def slow_suite(config: Config, _arguments: Arguments) -> Suite:
    """What the unit tests have, but those marked slow."""
    return Suite("slow", "slow", config.unit)


def slow(context: Context) -> None:
    """The way of noxlib's own ``unit``: options, plan, place, record."""
    run_suite(context, slow_suite)


def greet(context: Context) -> None:
    """A step without tests: its own option, and an error of two lines."""
    arguments = context.parse(SHOUT)
    if not arguments.rest:
        raise UsageError(f"{context.session}: nobody to greet", f"nox -s {context.session} -- NAME")
    text = f"hello {' '.join(arguments.rest)}"
    say(text.upper() if arguments["shout"] else text)


noxlib.register(
    only={"unit", "testground_shell", "doctor", "reap"},
    tags={"unit": ("quick", "test")},
    steps=[
        Step("slow", "Run the slow tests in the testground.", slow, per_python=True, tags=("test",)),
        Step("greet", "Greet somebody.", greet),
    ],
)


@nox.session(venv_backend="none")
def plain(session: nox.Session) -> None:
    """A session of nox's own: noxlib is not in its way."""
    session.log("nothing of noxlib here")
