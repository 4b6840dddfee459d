"""``testground_shell-X``: a shell, or one command, in the very environment that the tests get."""

from __future__ import annotations

from noxlib import temporary
from noxlib.config.detect import load_project
from noxlib.errors import NoxlibError, UsageError
from noxlib.places.host import Command
from noxlib.sessions import making, placing, reaping
from noxlib.sessions.arguments import NO_BUILD, PLACE, PLATFORM
from noxlib.sessions.context import Context, on_terminal, say

_SHELL = ("/bin/sh", "-c", "if command -v bash >/dev/null; then exec bash; else exec sh; fi")


class CommandFailed(NoxlibError):
    """The command that was given ended with another code than 0."""

    outcome = "failed"


def run(context: Context) -> None:
    """Carry the step out; words after ``--`` are a command to run instead of a shell.

    Raises:
        UsageError: a shell was asked for and there is no terminal.
        CommandFailed: the command ended with another code than 0.
    """
    arguments = context.parse(PLACE, PLATFORM, NO_BUILD)
    if not arguments.rest and not on_terminal():
        raise UsageError(
            f"{context.session}: a shell needs a terminal, and there is none here",
            f"give a command: nox -s {context.session} -- python -V",
        )
    project = load_project(context.root)
    reaping.sweep(context.root)
    placement = placing.choose_on(project.config, arguments["place"], arguments["platform"])
    ground = making.ready(context, project, placement, "no-build" if arguments["no_build"] else "all")
    with temporary.folder(prefix="noxlib-shell-") as folder, ground.host(folder, False) as host:
        say(f"{context.session}: {placement.name} {ground.section.image or ''} at {host.workspace}")
        command = Command(arguments.rest or _SHELL, environment=ground.environment, terminal=on_terminal())
        ended = host.run(command)
    if ended.code != 0 and arguments.rest:
        raise CommandFailed(
            f"{context.session}: {arguments.rest[0]} ended with {ended.code}", "its own lines stand above"
        )
