"""Style: pre-commit where the project configures it, else whether every file compiles."""

from __future__ import annotations

from noxlib.sessions import tools
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; words after ``--`` go to the tool."""
    arguments = context.parse(DRY_RUN)
    if (context.root / ".pre-commit-config.yaml").exists():
        words = arguments.rest or ("--all-files",)
        command = tools.argv("pre_commit", "run", *words, distribution="pre-commit")
    else:
        say(f"{context.session}: no .pre-commit-config.yaml, so the code is only compiled")
        skipped = r"(^|/)(\.[^/]+|node_modules|build|dist)/"
        command = tools.argv("compileall", "-q", "-x", skipped, *(arguments.rest or (".",)))
    if arguments["dry_run"]:
        say(" ".join(command))
        return
    # Byte code of a check has no business in the checkout.
    tools.run(context.session, command, context.root, environment={"PYTHONPYCACHEPREFIX": str(_bytecode())})


def _bytecode() -> str:
    from noxlib.ledger import state_folder  # noqa: PLC0415 - the dry run needs no folder

    return str(state_folder() / "bytecode")
