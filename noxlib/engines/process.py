"""Programs of this machine: short tools by ``run``, whatever takes long or prints much by ``stream``."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Literal, Optional

import msgspec

from noxlib.engines import groups
from noxlib.engines.output import Output
from noxlib.errors import Cancelled, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

CHUNK = 64 * 1024  #: bytes copied at once; the memory that a stream costs
GRACE = 5.0  #: seconds between TERM and KILL
STOP_SECONDS = 10.0  #: between TERM and KILL after Ctrl-C, for a result to be written
_LINE = 300  # characters of a line that an error quotes
TICK = 0.1  #: seconds after which a child that ended but left its pipe to a grandchild is noticed


class Completed(msgspec.Struct, frozen=True):
    """How a short tool ended; ``returncode`` is negative for a signal."""

    returncode: int
    stdout: str
    stderr: str


class Ended(msgspec.Struct, frozen=True):
    """How a streamed program ended. ``code`` is 128 + N for signal N."""

    code: int
    cause: Literal["exit", "signal", "timeout"] = "exit"


def run(
    argv: Sequence[str],
    *,
    cwd: Optional[Path] = None,
    env: Optional[Mapping[str, str]] = None,
    check: bool = False,
    input: Optional[str] = None,  # noqa: A002 - named as subprocess names it
    timeout: Optional[float] = None,
) -> Completed:
    """Run a short tool and return what it printed.

    Args:
        argv: Program and arguments; no shell is involved.
        cwd: Its working directory.
        env: Its whole environment; default: ours.
        check: Raise if it ends with anything but 0.
        input: Its standard input; default: none.
        timeout: Seconds after which it is killed.

    Raises:
        EngineError: The program is not there, took longer than ``timeout``, or (with ``check``) failed.
    """
    try:
        done = subprocess.run(  # noqa: PLW1510 - check is ours, with two lines instead of a traceback
            list(argv),
            cwd=cwd,
            env=env,
            input=input,
            stdin=subprocess.DEVNULL if input is None else None,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except OSError as error:
        raise _cannot_start(argv, error) from error
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"{argv[0]} gave no answer within {timeout} s", _by_hand(argv)) from error
    completed = Completed(done.returncode, done.stdout, done.stderr)
    if check and completed.returncode != 0:
        raise _failed(argv, completed)
    return completed


def stream(
    argv: Sequence[str],
    *,
    cwd: Optional[Path] = None,
    env: Optional[Mapping[str, str]] = None,
    log: Optional[Path] = None,
    echo: bool = True,
    timeout: Optional[float] = None,
    plain: bool = False,
    terminal: bool = False,
    secrets: Sequence[str] = (),
) -> Ended:
    """Run a program, pass on its output (stdout and stderr in order) as it comes, leave nothing behind.

    It gets a session of its own, which is killed whole at the deadline, on Ctrl-C, on any other exception, and when the
    program itself has ended. With ``terminal`` it gets a terminal, and no deadline: a person sits before it.

    Args:
        argv: Program and arguments; no shell is involved.
        cwd: Its working directory.
        env: Its whole environment; default: ours.
        log: File that the output is appended to.
        echo: Show the output on this process' stdout.
        plain: Leave colours and all else that speaks to a terminal out of it.
        timeout: Seconds until it is told to stop (TERM), and 5 s later killed.
        terminal: Let the person at this process' terminal use it; all that it shows is kept in ``log`` as well.
        secrets: Values that are masked in the output and in ``log``; on a terminal in ``log`` alone.

    Raises:
        EngineError: The program is not there.
    """
    if terminal:
        return _attended(argv, cwd, env, log, secrets)
    with Output(log, echo=echo, plain=plain, secrets=secrets) as output, started(argv, cwd, env) as process:
        try:
            if copy(process, output, None if timeout is None else time.monotonic() + timeout):
                return _ended(process.wait())
            _stop(process, output, GRACE)
        except (KeyboardInterrupt, Cancelled):
            with contextlib.suppress(KeyboardInterrupt):  # a second Ctrl-C cuts the waiting short
                _stop(process, output, STOP_SECONDS)
            raise
        return Ended(_ended(process.wait()).code, "timeout")


def _stop(process: subprocess.Popen[bytes], output: Output, grace: float) -> None:
    """TERM, a while in which the program may write its result, then KILL."""
    groups.signal_group(process, signal.SIGTERM)
    try:
        copy(process, output, time.monotonic() + grace)
    finally:
        groups.signal_group(process, signal.SIGKILL)


@contextlib.contextmanager
def started(
    argv: Sequence[str], cwd: Optional[Path], env: Optional[Mapping[str, str]]
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a session of its own; whatever happens, no process of its group outlives the block."""
    try:
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            start_new_session=True,
        )
    except OSError as error:
        raise _cannot_start(argv, error) from error
    with process:
        try:
            yield process
        finally:
            groups.end(process)


def copy(process: subprocess.Popen[bytes], output: Output, deadline: Optional[float]) -> bool:
    """Copy until the output or the program ends (True) or the deadline comes (False)."""
    pipe = process.stdout
    assert pipe is not None
    poll = select.poll()
    poll.register(pipe, select.POLLIN | select.POLLHUP)
    while True:
        ended = process.poll() is not None
        if poll.poll(0 if ended else _pause(deadline)):
            chunk = os.read(pipe.fileno(), CHUNK)
            if not chunk:
                return _await(process, deadline)
            output.write(chunk)
        elif ended:
            return True
        if deadline is not None and time.monotonic() >= deadline:
            return False


def _await(process: subprocess.Popen[bytes], deadline: Optional[float]) -> bool:
    """A program may close its output long before it ends; the deadline still holds."""
    try:
        process.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        return False
    return True


def _pause(deadline: Optional[float]) -> float:
    """Milliseconds until the next look at the child."""
    return 1000 * max(0.0, TICK if deadline is None else min(TICK, deadline - time.monotonic()))


def _attended(
    argv: Sequence[str],
    cwd: Optional[Path],
    env: Optional[Mapping[str, str]],
    log: Optional[Path],
    secrets: Sequence[str],
) -> Ended:
    from noxlib.engines import terminal  # noqa: PLC0415 - most runs have none

    try:
        with Output(log, echo=False, secrets=secrets) as kept:
            return _ended(terminal.attended(argv, cwd, env, kept))
    except FileNotFoundError as error:
        raise _cannot_start(argv, error) from error


def _ended(returncode: int) -> Ended:
    return Ended(128 - returncode, "signal") if returncode < 0 else Ended(returncode)


def _cannot_start(argv: Sequence[str], error: OSError) -> EngineError:
    if isinstance(error, FileNotFoundError) and not os.path.dirname(argv[0]):  # noqa: PTH120 - is it a bare name?
        return EngineError(f"the program {argv[0]!r} is not on PATH", f"install {argv[0]}, or add its folder to PATH")
    return EngineError(f"cannot start {argv[0]}: {error.strerror}", f"look at {error.filename or argv[0]}")


def _failed(argv: Sequence[str], done: Completed) -> EngineError:
    last = last_line(done.stderr.strip() or done.stdout)
    return EngineError(f"{argv[0]} ended with {done.returncode}: {last}", _by_hand(argv))


def last_line(text: str, silent: str = "it said nothing") -> str:
    r"""The last line that says anything, as an error quotes it; ``silent`` where there is none.

    >>> last_line("first\n  why\n\n")
    'why'
    """
    lines = text.strip().splitlines()
    return lines[-1].strip()[:_LINE] if lines else silent


def _by_hand(argv: Sequence[str]) -> str:
    import shlex  # noqa: PLC0415 - only for an error's text

    return "run it by hand to see why: " + shlex.join(argv)
