"""``history``: the slowest tests, the flaky ones, what failed last; or how the tests of a name fared."""

from __future__ import annotations

from collections.abc import Sequence

from noxlib.errors import UsageError
from noxlib.records import terminal, trends
from noxlib.records.history import History
from noxlib.sessions.arguments import Option
from noxlib.sessions.context import Context, on_terminal, say

LIMIT = Option("--limit", "rows of each table; default: 10", "N")
REBUILD = Option("--rebuild", "make the history again from the runs' folders first")
_SHORT = 12  # hex digits of a commit


def run(context: Context) -> None:
    """Carry the step out; a word is (a part of) the id of tests.

    Raises:
        RecordError: the history cannot be used.
    """
    arguments = context.parse(LIMIT, REBUILD)
    limit = _limit(arguments["limit"] or "10")
    if len(arguments.rest) > 1 or any(word.startswith("-") for word in arguments.rest):
        what = f"{context.session} takes one word, a part of a test's id"
        raise UsageError(what, f"nox -s {context.session} -- test_upload")
    history = History(context.root)
    if arguments["rebuild"]:
        history.rebuild()
    if arguments.rest:
        _tests(history, arguments.rest[0], limit)
        return
    _overview(history, limit)
    runs, tests = history.ask(lambda database: database.execute(_TOTALS).fetchone())
    say(f"{context.session}: {tests} tests in {runs} runs")


_TOTALS = "SELECT (SELECT count(*) FROM runs), (SELECT count(*) FROM tests)"


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 1_000_000):  # noqa: PLR2004
        raise UsageError(f"{text!r} is no number of rows", "take a whole number above zero")
    return int(text)


def _overview(history: History, limit: int) -> None:
    slow = history.ask(trends.durations)[:limit]
    _table(
        "slowest", ("test", "#seconds", "#results"), [(one.id, f"{one.seconds:.2f}", str(one.results)) for one in slow]
    )
    flaky = history.ask(trends.flaky)[:limit]
    rows = [(one.id, one.session, f"{one.failed} of {one.results}", one.last[:16]) for one in flaky]
    _table("flaky: passed and failed on one commit", ("test", "session", "#failed", "last"), rows)
    _past(history.ask(lambda database: trends.past(database, "", limit, bad=True)), "failed last")


def _tests(history: History, words: str, limit: int) -> None:
    found = history.ask(lambda database: trends.past(database, words, limit))
    if not found:
        raise UsageError(f"no test that ran here has {words!r} in its id", "nox -s history lists some")
    _past(found, f"results of {words}")


def _past(found: list[trends.Past], title: str) -> None:
    rows = [
        (one.id, one.session, one.outcome, f"{one.seconds:.2f}", one.commit[:_SHORT], one.run[:16], one.message)
        for one in found
    ]
    _table(title, ("test", "session", "outcome", "#seconds", "commit", "run", "message"), rows)


def _table(title: str, columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    say(f"\n{title}" if rows else f"\n{title}: none")
    if rows:
        say(terminal.table(columns, rows, colour=on_terminal()))
