"""Development tools of a project: from nox's own environment where they are, else by uv."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path

from noxlib.engines import offline, process
from noxlib.errors import NoxlibError, UsageError


def argv(
    module: str, *arguments: str, distribution: str = "", executable: str = "", needs: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """The command that runs a tool which is a Python module.

    Args:
        module: Module that ``python -m`` runs.
        arguments: Its arguments.
        distribution: Name on the index, where it differs from the module's.
        executable: Name of its command, where it differs from the module's.
        needs: Options of ``uv tool run`` that bring what the tool imports of others.
    """
    if find_spec(module) is not None:
        return (sys.executable, "-m", module, *arguments)
    from uv import find_uv_bin  # noqa: PLC0415 - only where the tool is not at hand

    command = executable or module.replace("_", "-")
    return (find_uv_bin(), "tool", "run", *needs, "--from", distribution or module, command, *arguments)


def run(session: str, command: tuple[str, ...], root: Path, *, environment: dict[str, str] | None = None) -> None:
    """Run a tool in the checkout, its output shown as it comes.

    Raises:
        UsageError: it found something, or could not run; its own lines say what.
    """
    # What such a tool starts by name, a hook of pre-commit for one, stands beside this interpreter.
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))
    ended = process.stream(
        command, cwd=root, env={**os.environ, "PATH": path, **offline.environment(), **(environment or {})}
    )
    if ended.code != 0:
        raise ToolFailed(f"{session}: {_name(command)} ended with {ended.code}", "its own lines above say what to do")


def _name(command: tuple[str, ...]) -> str:
    """What a person calls the command: the module's name, not the interpreter's path."""
    return command[2] if command[1] == "-m" else Path(command[0]).name


class ToolFailed(NoxlibError):
    """A tool found something to complain of."""

    outcome = "failed"


def nothing_to_do(session: str, what: str, todo: str) -> UsageError:
    """A session whose subject the project lacks fails: green would be a lie."""
    return UsageError(f"{session}: {what}", todo)
