"""``result.json``: what happened, written atomically at the end; and what it means."""

from __future__ import annotations

import json
import os
import platform
import sysconfig
from typing import TYPE_CHECKING, Any

from . import guards

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = 1
MESSAGE = 2000  #: characters of a message in a record
TIMEOUT = 124  # as timeout(1) has it
GUARD = 78  # EX_CONFIG of sysexits.h: outside pytest's own 0 to 5
NO_TESTS = 5
COUNTS = (
    "passed",
    "failed",
    "errors",
    "skipped",
    "xfailed",
    "xpassed",
    "deselected",
    "subtests_passed",
    "subtests_failed",
    "subtests_skipped",
)
RAN = ("passed", "failed", "xfailed", "xpassed")
OUTCOME_OF_CAUSE = {
    "guard": "error",
    "services": "error",
    "usage": "error",
    "internal": "error",
    "timeout": "timeout",
    "interrupted": "cancelled",
    "collection": "failed",
    "exit-code": "failed",  # of a script: whatever its code is
    "empty-shard": "passed",  # a part of a whole that is not empty
}


def outcome(result: Mapping[str, Any]) -> str:
    """Give ``passed``, ``failed``, ``no-tests``, ``error``, ``timeout`` or ``cancelled`` for what result.json holds.

    A green session ran at least one test: none collected, and all skipped, are ``no-tests``.
    """
    decided = OUTCOME_OF_CAUSE.get(result["cause"] or "")
    if decided is not None:
        return decided
    if result["exit_code"] == NO_TESTS or (result["exit_code"] == 0 and not ran(result["counts"])):
        return "no-tests"
    return "passed" if result["exit_code"] == 0 else "failed"


def ran(counts: Mapping[str, int]) -> int:
    """Count the tests whose body was run, whatever came of it."""
    return sum(counts.get(name, 0) for name in RAN)


def no_tests_cause(counts: Mapping[str, int]) -> str:
    """Why a session without a failure ran nothing."""
    if counts.get("skipped", 0):
        return "all-skipped"
    return "all-deselected" if counts.get("deselected", 0) else "none-collected"


def interpreter() -> dict[str, str]:
    """The interpreter section of result.json."""
    free = " free-threaded" if guards.free_threaded() else ""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation() + free,
        "platform": sysconfig.get_platform(),
    }


def write(folder: str, result: Mapping[str, Any]) -> None:
    """Write ``result.json`` into ``folder``: a reader sees all of it or nothing."""
    temporary = os.path.join(folder, f".result-{os.getpid()}.json")
    with open(temporary, "w", encoding="utf-8") as stream:
        json.dump(result, stream, indent=1, default=str)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, os.path.join(folder, "result.json"))


def shorten(text: str | None) -> str:
    """Cut a message to what a record may hold, without characters that cannot be encoded."""
    return (text or "").strip()[:MESSAGE].encode("utf-8", "replace").decode("utf-8")
