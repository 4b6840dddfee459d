"""Peak memory of noxlib's own processes while a suite streams 50 MB: alone, and two at once under ``-j 2``."""

from __future__ import annotations

import contextlib
import re
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from benchmarks.figures import Result, figure, scaled
from benchmarks.projects import Project, project
from benchmarks.sampling import Failed, base_environment, nox, say

if TYPE_CHECKING:
    from collections.abc import Sequence

LIMIT = 120.0
ROUNDS = 3
STREAMED = 50e6  #: bytes
PYTHONS = ("3.10", "3.11")
SUITE = """\
def test_talks():
    line = "x" * 99
    for _ in range(500_000):
        print(line)
"""
WAIT = 0.01  #: seconds between two looks; the kernel's mark is a peak, so that only the last look counts


def run(rounds: int) -> list[Result]:
    """Measure; memory varies little, so that three rounds are enough."""
    with project("bench_warm") as ours:
        ours.file("tests/test_talks.py", SUITE)
        for python in PYTHONS:
            ours.warm_up(python, "container")
        alone = [_peak(ours, ("-s", f"unit-{PYTHONS[0]}"), shown=True) for _ in range(min(rounds, ROUNDS))]
        sessions = [f"unit-{python}" for python in PYTHONS]
        both = [_peak(ours, ("-j", "2", "-s", *sessions), shown=False) for _ in range(min(rounds, ROUNDS))]
    return [
        _result("memory", "peak memory of nox while a suite streams 50 MB", alone),
        _result("memory -j", "the same under -j 2, the largest of nox's processes", both),
    ]


def _result(name: str, target: str, peaks: Sequence[float]) -> Result:
    return Result(name, target, LIMIT, "MB", figure(scaled(peaks, 1e-6)), {})


def _peak(ours: Project, arguments: Sequence[str], *, shown: bool) -> float:
    """Bytes: the largest peak among nox and the processes that it starts. The output is read as a terminal reads it."""
    command = nox(*arguments, "--", "-s")
    environment = {**base_environment(), "NOXLIB_PLACE": "container"}
    output = ours.root.parent / "output"
    with output.open("wb") as stream:
        process = subprocess.Popen(
            command, cwd=ours.root, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT
        )
        peaks: dict[int, float] = {}
        while process.poll() is None:
            _look(process.pid, peaks)
            time.sleep(WAIT)
    size = output.stat().st_size
    if process.returncode != 0 or (size > STREAMED) != shown:
        raise Failed(f"{' '.join(command)} ended with {process.returncode} and showed {size} bytes")
    say(f"  {' '.join(arguments)}: {max(peaks.values()) / 1e6:.0f} MB, {size / 1e6:.0f} MB shown")
    return max(peaks.values())


def _look(pid: int, peaks: dict[int, float]) -> None:
    """Note the peaks of a process and its children, as the kernel keeps them (proc(5), VmHWM)."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True)):
            with contextlib.suppress(OSError):  # it ended
                found = re.search(r"^VmHWM:\s+(\d+) kB", Path(f"/proc/{child.pid}/status").read_text(), re.MULTILINE)
                peaks[child.pid] = 1024.0 * int(found[1]) if found else peaks.get(child.pid, 0.0)
