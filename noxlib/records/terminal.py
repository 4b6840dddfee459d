"""Tables for a terminal, by rich. What comes from tests is text alone: no markup, no control characters."""

from __future__ import annotations

import io
import shutil
from collections.abc import Sequence
from typing import Any

from noxlib.records.record import PerformanceSection
from noxlib.records.result import text

_COLOURS = {
    "passed": "green",
    "faster": "green",
    "same": "green",
    "failed": "red",
    "slower": "red",
    "error": "red",
    "timeout": "red",
    "missing": "red",
    "no-tests": "yellow",
    "cancelled": "yellow",
    "inconclusive": "yellow",
}
_WIDTH = 160  # columns where there is no terminal


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, colour: bool = False) -> str:
    """Columns and rows drawn; a column whose name begins with ``#`` is of numbers and set to the right."""
    from rich import box  # noqa: PLC0415 - 12 ms, only where there is a table
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    drawn = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        right = name.startswith("#")
        drawn.add_column(name.lstrip("#"), justify="right" if right else "left", no_wrap=right, overflow="fold")
    for row in rows:
        drawn.add_row(*(_cell(value) for value in row))
    width = shutil.get_terminal_size((_WIDTH, 24)).columns
    console = Console(file=io.StringIO(), width=width, force_terminal=colour, no_color=not colour, legacy_windows=False)
    console.print(drawn)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    return "\n".join(line.rstrip() for line in lines).strip("\n")


def _cell(value: str) -> Any:
    from rich.text import Text  # noqa: PLC0415

    plain = text(value).replace("\n", " ").replace("\t", " ")
    return Text(plain, style=_COLOURS.get(plain, ""))


def performance(section: PerformanceSection, *, colour: bool = False) -> str:
    """The benchmarks of a comparison, and below them those that one side alone has."""
    rows = []
    for one in section.benchmarks:
        span = f"{change(one.low)} … {change(one.high)}"
        rows.append((one.name, seconds(one.base), seconds(one.head), change(one.ratio), span, one.verdict))
    columns = ("benchmark", "#base", "#head", "#change", f"#{section.confidence * 100:g} % interval", "verdict")
    lines = [table(columns, rows, colour=colour)]
    for side, names in (("base", section.only_base), ("head", section.only_head)):
        if names:
            lines.append(f"only on the {side}: {text(', '.join(names))}")
    return "\n".join(lines)


def seconds(value: float) -> str:
    """A time with three digits and the unit that suits it: ``1.23 ms``."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"


def change(ratio: float) -> str:
    """A ratio as a change in percent, with its sign: 1.5 is ``+50.0 %``."""
    return f"{(ratio - 1) * 100:+.1f} %"
