"""What a suite gave, and how two of them differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.real.table import RealProject


class Outcomes(msgspec.Struct, frozen=True):
    """Test id -> passed, failed, error, skipped, xfailed or xpassed; modules that skip themselves have no tests."""

    tests: dict[str, str]
    exit_code: int
    skipped_modules: int = 0


class Comparison(msgspec.Struct, frozen=True):
    """One project on one Python in one place, beside the plain environment."""

    project: str
    version: str
    python: str
    place: str
    date: str  #: of the run, ISO 8601
    tests: int
    outcomes: dict[str, int]
    different: dict[str, tuple[str, str]]  #: test id -> (plain, place), beyond what the table explains
    explained: dict[str, str] = {}  #: test id -> reason
    failing: tuple[str, ...] = ()  #: ids of the tests that fail in the place
    seconds: float = 0.0  #: of the place's run, with whatever had to be built


def differences(plain: Outcomes, place: Outcomes) -> dict[str, tuple[str, str]]:
    """Test id -> (outcome in plain, outcome in the place), wherever they are not equal; ``absent`` where not run."""
    names = sorted({*plain.tests, *place.tests})
    pairs = {name: (plain.tests.get(name, "absent"), place.tests.get(name, "absent")) for name in names}
    found = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for what in ("exit_code", "skipped_modules"):
        here, there = getattr(plain, what), getattr(place, what)
        if here != there:
            found[f"<{what}>"] = (str(here), str(there))
    return found


def explanation(project: RealProject, test: str, place: str) -> str:
    """The table's reason for a difference, empty where it has none."""
    reasons = (entry.reason for entry in project.differences if entry.explains(test, place))
    return next(reasons, "")


def failing(tests: dict[str, str]) -> tuple[str, ...]:
    """The ids of the tests that failed or could not run."""
    return tuple(sorted(test for test, outcome in tests.items() if outcome in ("failed", "error")))


def count(tests: dict[str, str]) -> dict[str, int]:
    """How many tests have each outcome, by name of the outcome."""
    values = sorted(tests.values())
    return {outcome: values.count(outcome) for outcome in dict.fromkeys(values)}
