"""The summary of a CI job, in GitHub's Markdown. Names and messages come from tests: they are text and nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from noxlib.records import report
from noxlib.records.result import text
from noxlib.records.terminal import change, seconds

if TYPE_CHECKING:
    from noxlib.records.record import PerformanceSection
    from noxlib.records.report import Run

FAILURES = 50  #: listed at most; the whole list is in the records
_MESSAGE = 300  # characters
_NAME = 400
_MARKS = {"passed": "✅", "faster": "✅", "same": "✅", "no-tests": "⚠️", "cancelled": "⚠️", "inconclusive": "⚠️"}
#: All that Markdown, HTML, mentions, references or autolinks could make something of; also `.` after `www`.
_SPECIAL = re.compile(r"[^\w ,;./…%+=-]|_|(?<=www)\.|(?<=WWW)\.")


def markdown(found: Sequence[Run]) -> str:
    """A table of the runs, the comparisons of speed, and what failed."""
    parts = [f"## Tests: {report.headline(found)}", _table(report.COLUMNS, report.rows(found), 1)]
    parts += [_performance(session, section) for session, section in report.comparisons(found)]
    parts += ["\n".join(_failures(found))] if any(run.outcome != "passed" for run in found) else []
    return "\n\n".join(parts) + "\n"


def escape(value: str) -> str:
    """A text that shows as it is: in one line, no markup, no HTML, no control characters.

    >>> escape("a|b <b>")
    'a&#124;b &#60;b&#62;'
    """
    plain = " ".join(text(value).split())
    return _SPECIAL.sub(lambda match: f"&#{ord(match[0])};", plain)


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]], marked: int) -> str:
    """``marked`` is the column of outcomes, which get a sign."""
    lines = [" | ".join(name.lstrip("#") for name in columns)]
    lines.append(" | ".join("--:" if name.startswith("#") else ":--" for name in columns))
    for row in rows:
        sign = _MARKS.get(row[marked], "❌")
        lines.append(
            " | ".join(f"{sign} {escape(cell)}" if at == marked else escape(cell) for at, cell in enumerate(row))
        )
    return "\n".join(f"| {line} |" for line in lines)


def _performance(session: str, section: PerformanceSection) -> str:
    rows = [
        (
            one.name,
            one.verdict,
            seconds(one.base),
            seconds(one.head),
            change(one.ratio),
            f"{change(one.low)} … {change(one.high)}",
        )
        for one in section.benchmarks
    ]
    title = f"### {escape(session)}: {escape(section.base[:12])} against {escape(section.head[:12])}"
    return f"{title}\n\n{_table(('benchmark', 'verdict', '#base', '#head', '#change', '#interval'), rows, 1)}"


def _failures(found: Sequence[Run]) -> Iterator[str]:
    listed = report.failures(found)
    yield "### Not green"
    yield ""
    for session, test, message in islice(listed, FAILURES):
        parts = [escape(part) for part in (session, test[:_NAME], message[:_MESSAGE]) if part]
        yield f"- **{parts[0]}** {': '.join(parts[1:])}"
    more = sum(1 for _ in listed)
    if more:
        yield f"- and {more} more, in the records"
