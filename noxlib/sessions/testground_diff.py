"""``testground_diff A B``: the packages, base, system and Python in which two testgrounds differ, and their sizes."""

from __future__ import annotations

import msgspec

from noxlib.config.detect import load_project
from noxlib.errors import UsageError
from noxlib.records import terminal
from noxlib.sessions import inventories, reaping
from noxlib.sessions.arguments import DRY_RUN, PYTHON, Option, python_of
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.testground import diff
from noxlib.testground.diff import Difference

JSON = Option("--json", "print JSON instead of a table")
_COLUMNS = ("", "kind", "name", "before", "after")
_MB = 1e6


def run(context: Context) -> None:
    """Carry the step out. Words as ``testground_pull`` takes them, and ``local``, which the second one is by default.

    Raises:
        UsageError: there is no word, or there are too many.
        PlaceError: nothing is published for one of them.
        EngineError: the registry or the engine fails, or an SBOM is damaged.
    """
    arguments = context.parse(PYTHON, JSON, DRY_RUN)
    words = arguments.rest
    if not 1 <= len(words) <= 2 or any(word.startswith("-") or not word for word in words):  # noqa: PLR2004 - A and B
        raise UsageError(
            f"{context.session} takes two words, not {' '.join(words)!r:.200}",
            f"nox -s {context.session} -- v1.1.0 main; or one, to compare it with what was built here",
        )
    before, after = (*words, inventories.LOCAL)[:2]
    project = load_project(context.root)
    reaping.sweep(context.root)
    python = python_of(context.session, project.pythons, arguments["python"])
    if arguments["dry_run"]:
        say(f"{context.session}: would compare {before} and {after} of Python {python}")
        return
    found = diff.compare(*(inventories.of(project, python, word) for word in (before, after)))
    if arguments["json"]:
        say(msgspec.json.format(msgspec.json.encode(found), indent=1).decode())
        return
    if found.changes:
        say(terminal.table(_COLUMNS, rows(found), colour=on_terminal()))
    say(f"{context.session}: {headline(found)} ({before} and {after} of Python {python})")


def rows(found: Difference) -> list[tuple[str, ...]]:
    """A line for each thing that differs."""
    return [
        (change.what, change.kind, change.name, change.before or "", change.after or "") for change in found.changes
    ]


def headline(found: Difference) -> str:
    """One line over all of it."""
    counts = {word: sum(change.what == word for change in found.packages) for word in ("added", "removed", "changed")}
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    size = f"{found.size_before / _MB:.1f} MB, then {found.size_after / _MB:.1f} MB"
    return f"packages: {told}; size: {size}"
