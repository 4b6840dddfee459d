"""What a record tells of single tests beside their outcome."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec


class Budget(msgspec.Struct, frozen=True):
    """A budget of the environment profile that a test broke. Sizes in 2**20 bytes."""

    test: str
    what: str  #: ``memory``, ``memory of a child`` or ``disk``
    mb: float
    budget_mb: int


class Flaky(msgspec.Struct, frozen=True):
    """A new test that was run several times, and passed and failed."""

    test: str
    runs: int
    failed: int


class Quarantined(msgspec.Struct, frozen=True):
    """A failure of a test in quarantine, which fails nothing."""

    test: str
    owner: str
    reason: str
    expires: str  #: a day, ISO 8601
    message: str = ""


class Notices(msgspec.Struct, frozen=True):
    """Budgets that tests broke, new tests that are flaky, failures of those in quarantine."""

    budgets: tuple[Budget, ...] = ()
    flaky: tuple[Flaky, ...] = ()
    quarantined: tuple[Quarantined, ...] = ()


def joined(parts: Sequence[Notices]) -> Notices:
    """Those of all parts of a run."""
    return Notices(
        budgets=tuple(budget for part in parts for budget in part.budgets),
        flaky=tuple(flaky for part in parts for flaky in part.flaky),
        quarantined=tuple(quarantined for part in parts for quarantined in part.quarantined),
    )
