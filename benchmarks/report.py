"""Results as a table for people and as JSON for machines."""

from __future__ import annotations

import json
import os
import platform
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from benchmarks.figures import Figure, Result

HEAD = ("target", "limit", "measured", "spread", "verdict")


def table(results: Sequence[Result]) -> str:
    """One row a target: the median, the spread from the smallest to the largest, met or missed."""
    rows = [HEAD, *(_row(result) for result in results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return "\n".join((lines[0], "-" * len(lines[0]), *lines[1:]))


def machine() -> dict[str, object]:
    """What it was measured on. Others at work on the same cores lengthen every time, and differences with them."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
    }


def circumstances() -> str:
    """The machine as a line below the table."""
    loads = ", ".join(f"{load:.1f}" for load in os.getloadavg())
    return f"{os.cpu_count()} CPUs, load {loads}; Python {platform.python_version()}, {platform.platform()}"


def verdict(result: Result) -> str:
    """``met`` or ``missed``, by the median."""
    return "met" if result.met else "missed"


def line(result: Result) -> str:
    """One result with what it is made of."""
    parts = [f"{name} {amount(figure, result.details_unit)}" for name, figure in result.details.items()]
    made_of = f" ({', '.join(parts)})" if parts else ""
    return f"{result.name}: {amount(result.measured, result.unit)}{made_of}: {verdict(result)}"


def amount(figure: Figure, unit: str) -> str:
    """``0.213 s``, ``31 ms``, ``1.12 x``."""
    return f"{_number(figure.median, unit)} {unit}"


def to_json(results: Iterable[Result]) -> str:
    """All figures, with the machine that they were measured on."""
    found = [
        {
            **result._asdict(),
            "measured": result.measured._asdict(),
            "details": {name: figure._asdict() for name, figure in result.details.items()},
            "met": result.met,
        }
        for result in results
    ]
    return json.dumps({"machine": machine(), "results": found}, indent=1) + "\n"


def _row(result: Result) -> tuple[str, ...]:
    one, unit = result.measured, result.unit
    spread = f"{_number(one.low, unit)}-{_number(one.high, unit)}, {one.rounds} rounds"
    return (result.target, f"{_number(result.limit, unit)} {unit}", amount(one, unit), spread, verdict(result))


def _number(value: float, unit: str) -> str:
    return f"{value:.0f}" if unit in ("ms", "MB") else f"{value:.2f}"
