"""``coverage``: the coverage of all Pythons combined to one report."""

from __future__ import annotations

from noxlib.errors import NoxlibError
from noxlib.records import coverage_report, store
from noxlib.sessions.arguments import no_rest
from noxlib.sessions.context import Context, say

FOLDER = ".noxlib/coverage"


class CoverageBelow(NoxlibError):
    """The total is below ``fail_under``."""

    outcome = "failed"


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        RecordError: no run has left coverage.
        CoverageBelow: the total is below what the project demands.
    """
    arguments = context.parse()
    no_rest(context.session, arguments)
    result = coverage_report.combine(context.root, store.runs(context.root), out=context.root / FOLDER)
    say(result.text)
    say(f"{context.session}: {result.percent:.1f} % of {result.files} files; HTML, XML, JSON and badge in {FOLDER}")
    if result.below is not None:
        raise CoverageBelow(
            f"coverage is {result.percent:.2f} %, below fail_under = {result.below:g}",
            "see the lines marked missing above",
        )
