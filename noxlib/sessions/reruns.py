"""How often the tests of a suite run that are new: those that its history does not know as stable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from noxlib.errors import RecordError
from noxlib.sessions.context import say


def of_new_tests(root: Path, suite: str, runs: int) -> dict[str, Any]:
    """``runs``, and ``stable``, the digests of the tests that are not new; nothing where each test runs once.

    Where there is no history at all every test would be new: then each runs once, and is known from then on.
    """
    if runs <= 1:
        return {}
    from noxlib.records import stable  # noqa: PLC0415 - few suites ask for it
    from noxlib.records.history import History  # noqa: PLC0415

    try:
        known = History(root).ask(lambda database: stable.digests(database, suite))
    except RecordError as error:
        say(f"noxlib: {error.what}: no test counts as new ({error.todo})")
        return {}
    return {"runs": runs, "stable": "".join(known)} if known else {}
