"""``compose_lint``: what in the compose file would collide, hang or fail late, found before anything starts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from noxlib import atomic
from noxlib.config.detect import load_project
from noxlib.engines.compose import Compose
from noxlib.engines.docker import Docker
from noxlib.errors import UsageError
from noxlib.places import stack_override
from noxlib.places.stack_lines import Lines
from noxlib.places.stack_lint import Mistake
from noxlib.secret import known_secrets, mask
from noxlib.sessions import compose_files, compose_stack, reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.sessions.tools import ToolFailed

FIX = Option("--fix", "write what mends them to an override beside the file; the file itself stays as it is")
PROJECT = "noxlib-lint"


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        ToolFailed: there are mistakes, which are told.
        PlaceError: there is no compose file, or compose refuses it.
        EngineError: no engine answers.
        UsageError: with ``--fix``: there is an override that somebody else wrote.
    """
    arguments = context.parse(FIX, DRY_RUN)
    no_rest(context.session, arguments)
    files = compose_files.of(load_project(context.root))
    reaping.sweep(context.root)
    docker = compose_stack.engine()
    if arguments["fix"]:
        files = _fix(context, files[0], docker, dry_run=arguments["dry_run"])
    found = _found(files, docker)
    compose_files.told(found, files)
    name = files[0].name
    if found:
        count = f"{len(found)} mistake{'s' if len(found) > 1 else ''} in {name}"
        mendable = any(mistake.change for mistake in found) and not arguments["fix"]
        by_override = f", or let an override mend what it can: nox -s {context.session} -- --fix" if mendable else ""
        raise ToolFailed(f"{context.session}: {count}", f"correct them there{by_override}")
    say(f"{context.session}: no mistakes in {' with '.join(file.name for file in files)}")


def _found(files: tuple[Path, ...], docker: Docker) -> tuple[Mistake, ...]:
    found = compose_files.mistakes(Compose(docker, files, PROJECT).config(), PROJECT, docker)
    return mendable(found, Lines(files))


def mendable(found: tuple[Mistake, ...], lines: Lines) -> tuple[Mistake, ...]:
    """The mistakes, without changes that would write down what the file takes from elsewhere.

    Variables, secrets among them, come from this machine's environment or files that are not committed; an override is.
    """
    return tuple(
        msgspec.structs.replace(one, change=None) if one.repeats and not lines.plain(*one.repeats) else one
        for one in found
    )


def _fix(context: Context, file: Path, docker: Docker, *, dry_run: bool) -> tuple[Path, ...]:
    """Write the override, or with ``dry_run`` show it; the files that count from now on."""
    override = compose_files.override_of(file)
    if override.exists() and not override.read_text(encoding="utf-8").startswith(stack_override.FIRST_LINE):
        raise UsageError(
            f"{context.session}: {override.name} is there already, and is not of this step",
            "correct the mistakes there, or move it away",
        )
    text = stack_override.text(_found((file,), docker))
    if dry_run or not text:
        say(mask(text, known_secrets({"": text})) or f"{context.session}: nothing that an override could mend")
        return (file,)
    atomic.write(override, text.encode(), mode=0o644)
    say(f"{context.session}: wrote {override.name}; with plain compose: -f {file.name} -f {override.name}")
    return (file, override)
