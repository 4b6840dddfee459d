"""Types: mypy as the project configures it."""

from __future__ import annotations

from pathlib import Path

from noxlib.sessions import tools
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; words after ``--`` go to mypy."""
    arguments = context.parse(DRY_RUN)
    if not (arguments.rest or configured(context.root)):
        raise tools.nothing_to_do(
            context.session, "the project configures no mypy", "add [tool.mypy] with files = [...] to pyproject.toml"
        )
    command = tools.argv("mypy", *arguments.rest)
    if arguments["dry_run"]:
        say(" ".join(command))
        return
    tools.run(context.session, command, context.root)


def configured(root: Path) -> bool:
    """Whether the project configures mypy."""
    if any((root / name).exists() for name in ("mypy.ini", ".mypy.ini")):
        return True
    for name, table in (("pyproject.toml", "[tool.mypy"), ("setup.cfg", "[mypy")):
        path = root / name
        if path.exists() and table in path.read_text(encoding="utf-8"):
            return True
    return False
