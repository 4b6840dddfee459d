"""Test points in a program's output: the Test Anything Protocol (testanything.org, versions 12 to 14), or plain lines.

Plain lines are those of GNU Automake and DejaGnu: ``PASS: name``, ``FAIL``, ``SKIP``, ``XFAIL`` and ``XPASS``.
"""

from __future__ import annotations

import re
from collections import Counter

POINT = re.compile(
    r"(?P<failed>not )?ok\b(?:[ \t]+(?P<number>\d{1,9})\b)?(?:[ \t]+-)?[ \t]*(?P<text>(?:\\#|[^#])*)"
    r"(?:#[ \t]*(?P<directive>(?i:todo|skip))\w*[ \t:]*(?P<reason>.*))?.*"
)
PLAN = re.compile(r"1\.\.(?P<count>\d{1,9})(?:[ \t]*#[ \t]*(?i:skip)\w*[ \t:]*(?P<reason>.*))?[ \t]*")
WORDS = {"PASS": "passed", "FAIL": "failed", "SKIP": "skipped", "XFAIL": "xfailed", "XPASS": "xpassed"}
LINE = re.compile(rf"({'|'.join(WORDS)}): (\S.*)")
BAIL_OUT = re.compile(r"Bail out!(.*)")


class Point:
    """One test point. ``outcome`` is passed, failed, skipped, xfailed (not ok, TODO) or xpassed (ok, TODO)."""

    def __init__(self, number: int, text: str, outcome: str, reason: str = "") -> None:
        self.number = number
        self.text = text
        self.outcome = outcome
        self.reason = reason

    @property
    def name(self) -> str:
        """``3 - text``."""
        return f"{self.number} - {self.text}" if self.text else str(self.number)


class Stream:
    """What a stream of lines has told so far; lines that are none of ours are left alone, and subtests (indented) too.

    It is TAP only if there is a plan, ``1..N``: many a program prints "ok". Else plain lines count, if there are any.
    """

    def __init__(self) -> None:
        self.points: list[Point] = []
        self.plain: list[Point] = []
        self.plan: int | None = None
        self.plans = 0
        self.skipped: str | None = None  # why the whole was skipped
        self.bailed: str | None = None

    def line(self, text: str) -> Point | None:
        """Take one line in; the test point that it is, if it is one."""
        plan = PLAN.fullmatch(text)
        bail_out = BAIL_OUT.match(text)
        if plan:
            self.plan = int(plan["count"])
            self.plans += 1
            self.skipped = (plan["reason"] or "").strip() if self.plan == 0 else None
        elif bail_out:
            self.bailed = bail_out[1].strip() or "no reason given"
        word = LINE.fullmatch(text)
        if word:
            self.plain.append(Point(len(self.plain) + 1, word[2].strip(), WORDS[word[1]]))
        return self._point(text)

    @property
    def told(self) -> list[Point]:
        """The test points that count."""
        return self.points if self.plan is not None else self.plain

    def problem(self) -> str | None:
        """Why the whole failed although no test point that counts did: it stopped in the middle."""
        if self.bailed is not None:
            return f"bailed out: {self.bailed}"
        if self.plan is not None and self.plan != len(self.points):
            return f"{self.plan} test points were planned and {len(self.points)} came"
        if self.plans > 1:
            return f"{self.plans} plans came, and there is one to a run"
        return self._wrong_number() if self.plan is not None else None

    def _wrong_number(self) -> str | None:
        """A test point is told once, by a number of the plan; points that run side by side may come in any order."""
        times = Counter(point.number for point in self.points)
        wrong = next((number for number in times if times[number] > 1 or not 1 <= number <= len(self.points)), None)
        return None if wrong is None else f"test point {wrong} came {'twice' if times[wrong] > 1 else 'unplanned'}"

    def _point(self, text: str) -> Point | None:
        found = POINT.fullmatch(text)
        if found is None:
            return None
        directive = (found["directive"] or "").lower()
        failed = bool(found["failed"])
        outcome = "failed" if failed else "passed"
        if directive:
            outcome = "skipped" if directive == "skip" else "xfailed" if failed else "xpassed"
        number = int(found["number"] or len(self.points) + 1)
        point = Point(number, found["text"].strip(), outcome, (found["reason"] or "").strip())
        self.points.append(point)
        return point
