"""A program on a terminal of its own between this process' terminal and it, so that what it shows is kept as well."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import subprocess
import sys
import termios
import tty
from typing import TYPE_CHECKING, Any, Optional

from noxlib.engines import groups

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxlib.engines.output import Output

CHUNK = 64 * 1024  #: bytes copied at once
TICK = 0.1  #: seconds after which a program that ended but left its terminal to another process is noticed


def attended(argv: Sequence[str], cwd: Optional[Path], env: Optional[Mapping[str, str]], kept: Output) -> int:
    """Run a program for the person at this process' terminal; its exit code, negative for a signal.

    Keys go to the program as they come: Ctrl-C is its own to answer. What it shows goes to ``kept`` as well, with its
    colour codes. Its process group does not outlive it.

    Raises:
        OSError: The program cannot be started, or what it shows not be kept.
    """
    with _child(argv, cwd, env) as (process, main):
        with _raw(sys.stdin.fileno()), _window_followed(main):
            _relay(process, main, kept)
        return process.wait()


@contextlib.contextmanager
def _child(
    argv: Sequence[str], cwd: Optional[Path], env: Optional[Mapping[str, str]]
) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The program, leader of a session with a terminal of its own that has the settings of ours; and its other end."""
    main, line = os.openpty()
    try:
        termios.tcsetattr(line, termios.TCSANOW, termios.tcgetattr(sys.stdin.fileno()))
        _fit(main)
        process = subprocess.Popen(
            list(argv),
            cwd=cwd,
            env=env,
            stdin=line,
            stdout=line,
            stderr=line,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509 - there are no threads here, and no other way to do it
        )
    except BaseException:
        os.close(main)
        raise
    finally:
        os.close(line)
    with process:
        try:
            yield process, main
        finally:
            groups.signal_group(process, signal.SIGKILL)
            os.close(main)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextlib.contextmanager
def _raw(keyboard: int) -> Iterator[None]:
    """Every key as it is pressed; the program's own terminal echoes and edits."""
    before = termios.tcgetattr(keyboard)
    try:
        tty.setraw(keyboard, termios.TCSADRAIN)  # what was typed ahead is not lost
        yield
    finally:
        termios.tcsetattr(keyboard, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _window_followed(main: int) -> Iterator[None]:
    def changed(*_: Any) -> None:
        _fit(main)

    before = signal.signal(signal.SIGWINCH, changed)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _fit(main: int) -> None:
    """Give the program's terminal the size of ours."""
    size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(main, termios.TIOCSWINSZ, size)


def _relay(process: subprocess.Popen[bytes], main: int, kept: Output) -> None:
    """Pass keys on, and what is shown, until the program and its terminal have ended."""
    sys.stdout.flush()
    keyboard, screen = sys.stdin.fileno(), sys.stdout.fileno()
    watched = [main, keyboard]
    while True:
        ended = process.poll() is not None
        ready, _, _ = select.select(watched, [], [], 0 if ended else TICK)
        if main in ready:
            shown = _read(main)
            if not shown:
                return
            _write(screen, shown)
            kept.write(shown)
        elif ended:
            return
        if keyboard in ready:
            keys = _read(keyboard)
            if keys:
                _write(main, keys)
            else:
                watched.remove(keyboard)


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, CHUNK)
    except OSError:  # Linux tells the end of a terminal so
        return b""


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
