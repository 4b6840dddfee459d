"""``report``: any number of records as a table, as one JUnit file, as the summary of a CI job."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from noxlib.errors import UsageError
from noxlib.records import job_summary, junit, merging, report, terminal
from noxlib.records.report import Run
from noxlib.records.result import text
from noxlib.sessions.arguments import DRY_RUN, Option
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.sessions.writing import append, write

JUNIT = Option("--junit", "write one JUnit XML file of all runs", "FILE")
MARKDOWN = Option("--markdown", "write the summary as Markdown", "FILE")
SUMMARY = "GITHUB_STEP_SUMMARY"  #: GitHub's variable: the file that a job's summary is appended to
_FAILURES = 20  # on the terminal


def run(context: Context) -> None:
    """Carry the step out; words after the options are folders with runs. Default: each session's newest run.

    Raises:
        RecordError: there is no run.
    """
    arguments = context.parse(JUNIT, MARKDOWN, DRY_RUN)
    found = gather(context, arguments.rest)
    if arguments["dry_run"]:
        for one in found:
            say(f"{one.session}: {one.folder}")
        return
    show(found)
    if arguments["junit"]:
        _write(Path(arguments["junit"]), junit.merge(found))
    if arguments["markdown"]:
        _write(Path(arguments["markdown"]), job_summary.markdown(found).encode())
    _append(job_summary.markdown(found))
    say(f"{context.session}: {report.headline(found)}")


def gather(context: Context, words: tuple[str, ...]) -> list[Run]:
    """The runs below the folders that were named, else each session's newest of this checkout.

    Raises:
        UsageError: an option comes after a folder.
        RecordError: there is no run.
    """
    for word in words:
        if word.startswith("-"):
            what = f"{context.session} has no option {word} here"
            raise UsageError(what, f"options first, then folders: nox -s {context.session} -- --help")
    return report.below(map(Path, words)) if words else report.newest(context.root)


def show(found: list[Run]) -> None:
    """Print the table, the comparisons of speed and what failed."""
    colour = on_terminal()
    say(terminal.table(report.COLUMNS, report.rows(found), colour=colour))
    for session, section in report.comparisons(found):
        say(f"\n{text(session)}: {section.base[:12]} against {section.head[:12]}")
        say(terminal.performance(section, colour=colour))
    failures = list(report.failures(found))
    for session, test, message in islice(failures, _FAILURES):
        say(" ".join(text(": ".join(part for part in (session, test, message) if part)).split()))
    if len(failures) > _FAILURES:
        say(f"and {len(failures) - _FAILURES} more, in the records")
    for test, bad, good in islice(merging.differing(found), _FAILURES):
        say(f"{text(test)}: fails on {', '.join(bad)}, passes on {', '.join(good)}")


def _write(path: Path, data: bytes) -> None:
    write(path, data)
    say(f"written: {path}")


def _append(markdown: str) -> None:
    file = os.environ.get(SUMMARY)
    if file:
        append(Path(file), markdown)
