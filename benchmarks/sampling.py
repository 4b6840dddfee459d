"""Commands timed in turns: A B A B …, so that a machine that is busy for a while is busy for all of them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

EMPTY = """\
import nox


@nox.session(venv_backend="none")
def empty(session):
    pass
"""
SECONDS = 1800.0  #: after which a command hangs

PATIENCE = 10.0  #: seconds to wait for a quiet moment before a round; then it is measured all the same
QUIET = 20.0  #: percent of all processors


class Failed(Exception):
    """A command of a benchmark ended with an error: then its time means nothing."""


def say(text: str) -> None:
    """A line of progress."""
    print(text, flush=True)


def timed(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> float:
    """Seconds that a command takes from its start to its end; its output is read and dropped. Raises Failed."""
    return ran(argv, folder, environment)[0]


def ran(argv: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None) -> tuple[float, str]:
    """The same, and what it printed.

    Raises:
        Failed: it ended with anything but 0; its last lines are told.
    """
    start = time.perf_counter()
    done = subprocess.run(
        argv,
        cwd=folder,
        env={**base_environment(), **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=SECONDS,
        check=False,
    )
    seconds = time.perf_counter() - start
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode != 0:
        raise Failed("\n  ".join((f"{' '.join(argv)} ended with {done.returncode}", *output.splitlines()[-15:])))
    return seconds, output


def base_environment() -> dict[str, str]:
    """Ours, without what would make Python compile noxlib or nox anew each time: installed packages are compiled."""
    left_out = ("PYTHONDONTWRITEBYTECODE", "NOXLIB_PLACE", "CI")
    return {name: value for name, value in os.environ.items() if name not in left_out}


def in_turns(calls: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """What each call measured, by name: one round to warm up, which is dropped, then so many rounds of all in turns."""
    values: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds + 1):
        await_quiet()
        for name, call in calls.items():
            value = call()
            if number:
                values[name].append(value)
        if number:
            say(f"  round {number}: " + ", ".join(f"{name} {found[-1]:.3f}" for name, found in values.items()))
    return values


def await_quiet(patience: float = PATIENCE) -> bool:
    """Wait, at most so many seconds, until others leave the processors alone; whether they do."""
    end = time.monotonic() + patience
    while psutil.cpu_percent(interval=0.3) > QUIET:
        if time.monotonic() > end:
            return False
    return True


def nox(*arguments: str) -> list[str]:
    """The nox of this interpreter."""
    return [sys.executable, "-m", "nox", *arguments]


def empty_session() -> float:
    """Seconds of a session of nox alone that does nothing: the part of a session's time that is nox's own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "noxfile.py").write_text(EMPTY, encoding="utf-8")
        return timed(nox("-s", "empty"), Path(folder))
