"""What a run's end means: outcome, cause and message from the host's word and the tests' own."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.plan import Outcome

if TYPE_CHECKING:
    from noxlib.places.host import Exit
    from noxlib.records.record import Counts
    from noxlib.records.result import Progress, Result

NO_TESTS = 5  # pytest's exit code
_CANNOT_START = {126, 127}  # as a shell and the engines have it
_REFUSED = 64  # EX_USAGE of sysexits.h: run.py found no task
_SIGNAL = 128
_OF_HOST: dict[str, Outcome] = {
    "timeout": "timeout",
    "out-of-memory": "failed",
    "cancelled": "cancelled",
    "lost": "error",
}
_OF_RESULT: dict[str, Outcome] = {
    "guard": "error",
    "services": "error",
    "usage": "error",
    "internal": "error",
    "timeout": "timeout",
    "interrupted": "cancelled",
    "collection": "failed",
    "exit-code": "failed",
    "empty-shard": "passed",
}
_STOPPED = {_SIGNAL + signal.SIGINT, _SIGNAL + signal.SIGTERM}


class Verdict(msgspec.Struct, frozen=True):
    """``crashed`` tells that the tests that were running count as failed: they ended the process, or hung."""

    outcome: Outcome
    cause: Optional[str] = None
    message: Optional[str] = None
    crashed: bool = False


def judge(exit_: Exit, result: Result | None, progress: Progress, *, overdue: bool = False) -> Verdict:
    """The verdict on a run that a host carried out.

    Args:
        exit_: How the command ended, by the host's own state: it decides where it names a cause.
        result: What the tests' process said, if it came to that.
        progress: How far its report goes.
        overdue: The suite's own timeout had passed.
    """
    if exit_.cause in _OF_HOST:
        ended_tests = exit_.cause in {"timeout", "out-of-memory"}
        return Verdict(_OF_HOST[exit_.cause], exit_.cause, _of_host(exit_, progress), crashed=ended_tests)
    if result is not None and result.exit_code == exit_.code and exit_.cause == "exit":
        return _of_result(result, oom=exit_.oom)
    if result is not None and result.exit_code == 0:
        return Verdict("failed", "crashed", f"the tests had ended, then their process {describe(exit_)}")
    if result is not None:
        return _of_result(result, oom=exit_.oom)
    return _without_result(exit_, progress, overdue=overdue)


def ran(counts: Counts) -> int:
    """Count the tests whose body was run, whatever came of it."""
    return counts.passed + counts.failed + counts.xfailed + counts.xpassed


def describe(exit_: Exit) -> str:
    """``ended by SIGSEGV``, ``ended with exit code 3``."""
    number = exit_.code - _SIGNAL
    if exit_.cause == "signal" or number in {signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS}:
        names = {member.value: member.name for member in signal.Signals}
        return f"ended by {names.get(number, f'signal {number}')}"
    return f"ended with exit code {exit_.code}"


def _of_result(result: Result, *, oom: bool) -> Verdict:
    outcome = _OF_RESULT.get(result.cause or "")
    if outcome is None and result.exit_code == 0:
        outcome = "passed" if ran(result.counts) else "no-tests"
    if outcome is None:
        outcome = "no-tests" if result.exit_code == NO_TESTS else "failed"
    if oom and outcome == "failed":
        killed = "the kernel killed a process of the tests for lack of memory"
        return Verdict(outcome, "out-of-memory", f"{killed}; {result.message}" if result.message else killed)
    return Verdict(outcome, result.cause, result.message, crashed=outcome == "timeout")


def _of_host(exit_: Exit, progress: Progress) -> str:
    words = {
        "timeout": "the place's time limit passed",
        "out-of-memory": "the memory limit was reached and the kernel killed the tests",
        "cancelled": "the run was cancelled",
        "lost": "the place was lost before it gave a result",
    }
    return f"{words[exit_.cause]} {_when(progress)}"


def _without_result(exit_: Exit, progress: Progress, *, overdue: bool) -> Verdict:
    """The process ended before it could write its result."""
    message = f"the tests' process {describe(exit_)} {_when(progress)}"
    if exit_.oom:
        return Verdict("failed", "out-of-memory", f"{message}; the kernel had killed for lack of memory", crashed=True)
    if overdue:
        return Verdict("timeout", "timeout", f"the suite's timeout passed; {message}", crashed=True)
    if exit_.code in _STOPPED:
        return Verdict("cancelled", "interrupted", message)
    if exit_.code == _REFUSED and not progress.began:
        return Verdict("error", "internal", f"the place did not get its task: {message}")
    if exit_.code in _CANNOT_START and not progress.began:
        return Verdict("error", "lost", f"the testground's interpreter could not be started: {message}")
    killed = exit_.code == _SIGNAL + signal.SIGKILL
    return Verdict("failed", "killed" if killed else "crashed", message, crashed=True)


def _when(progress: Progress) -> str:
    """``while TEST ran``, ``before the first test``, ``between two tests``."""
    if progress.running:
        more = f" and {len(progress.running) - 3} more" if len(progress.running) > 3 else ""  # noqa: PLR2004
        return f"while {', '.join(progress.running[:3])}{more} ran"
    done = ran(progress.counts)
    return f"after {done} test{'' if done == 1 else 's'}" if progress.began else "before the first test"
