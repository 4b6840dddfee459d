"""A script as a suite: the project's own executable in the workspace, with a log, JUnit and a result like pytest's.

The script is one test; the points of the Test Anything Protocol that it prints are its subtests.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

from . import junit, tap, tasks
from .report import Report

if TYPE_CHECKING:
    from collections.abc import Iterator

USAGE = 4  # as pytest has it
SIGNAL = 128  # and the signal's number, as a shell has it
KEPT = 1 << 16  # bytes of the output's end, for JUnit
LINE = 1 << 12  # bytes of a line that is looked at
LOOK = 0.1  # seconds between two looks whether the script has ended though something of it holds its output
SUDO = ("sudo", "-n", "-E", "--")  # asks nobody, and keeps the variables of the suite
STOP = 5.0  # seconds that a script has to end after SIGTERM


class Script:
    """One run of a script. It has the attributes that pytest's controller has for the result."""

    crashed = empty_shard = False
    junit: str | None = None
    resumed = None
    cut: dict[str, Any] | None = None

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.name = str(task["script"])
        self.argv = [os.path.join(task["workspace"], self.name), *task.get("arguments", ())]
        self.sudo = SUDO if task.get("root") and os.geteuid() != 0 else ()
        self.report = Report(task["result"])
        self.marks: dict[str, float] = {}
        self.imports: dict[str, str | None] = {}
        self.cause: str | None = None
        self.message: str | None = None
        self.output = b""
        self.points = tap.Stream()

    def seeds(self) -> dict[str, str]:
        return {"PYTHONHASHSEED": os.environ.get("PYTHONHASHSEED") or "random"}

    def run(self) -> int:
        """Run the script to its end; the exit code is its own, or 1 where its test points failed."""
        os.chdir(self.task["workspace"])
        if self.task.get("profile"):
            os.environ.update(tasks.variables(self.task["profile"], os.environ))
        self.report.event("collected", count=1, deselected=0)
        self.marks["run"] = time.monotonic()
        self.report.start(self.name)
        refused = refusal() if self.sudo else ""
        if refused:
            self.cause, self.message = "usage", f"{self.name} needs root, which `sudo -n` does not give: {refused}"
            print(f"noxlib: {self.message}", flush=True)
            return USAGE
        try:
            code = self.execute()
        except OSError as error:
            self.cause = "usage"
            self.message = f"{self.name} cannot be started: {error.strerror}; see its first line, #!, and its mode"
            print(f"noxlib: {self.message}", flush=True)
            return USAGE
        self.marks["end"] = time.monotonic()
        return self.settle(code)

    def execute(self) -> int:
        """Start the script and pass its output on until it ends."""
        interactive = bool(self.task.get("interactive"))
        process = subprocess.Popen(
            [*self.sudo, *self.argv],
            stdin=None if interactive else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=not interactive,  # with a terminal it must stay in the foreground
        )
        assert process.stdout is not None
        try:
            for line in lines(self.passed_on(process)):
                self.points.line(line)
            code = process.wait()
        except BaseException:
            stop(process, self.sudo, alone=not interactive)
            raise
        finally:
            process.stdout.close()
        return code if code >= 0 else SIGNAL - code

    def passed_on(self, process: subprocess.Popen[bytes]) -> Iterator[bytes]:
        """Chunks of output as they come, shown and kept; until its end, or the script's where others hold it open."""
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        while True:
            ended = process.poll() is not None
            if select.select([descriptor], [], [], 0 if ended else LOOK)[0]:
                chunk = os.read(descriptor, KEPT)
                if not chunk:
                    return
                sys.stdout.buffer.write(chunk)
                sys.stdout.buffer.flush()
                self.output = (self.output + chunk)[-KEPT:]
                yield chunk
            elif ended:
                return

    def settle(self, code: int) -> int:
        """From the exit code and the test points to outcome, failures and JUnit; the code decides, then the points."""
        problem = self.tell_points()
        if code != 0:
            self.cause, self.message = "exit-code", f"{self.name} {ended(code)}: {problem or self.last_line()}"
        elif problem:
            self.message = problem
        skipped = self.points.skipped is not None and not self.message
        outcome = "failed" if self.message else "skipped" if skipped else "passed"
        seconds = self.marks["end"] - self.marks["run"]
        self.report.phase(self.name, "call", outcome, seconds)
        if self.message:
            self.report.failure(self.name, "call", self.message)
        self.report.end(self.name)
        self.write_junit(outcome, seconds)
        code = code or (1 if self.message else 0)
        self.message = self.message or self.points.skipped
        return code

    def tell_points(self) -> str | None:
        """Report the test points; what is wrong with them, or None."""
        points = self.points.told
        failed = [point for point in points if point.outcome == "failed"]
        for point in points:
            self.report.subtest("passed" if point.outcome == "xpassed" else point.outcome)
        for point in failed:
            self.report.failure(self.name, "subtest", point.name)
        return f"{len(failed)} of {len(points)} test points failed" if failed else self.points.problem()

    def write_junit(self, outcome: str, seconds: float) -> None:
        """The script as a test of so many seconds, and each of its test points."""
        case = junit.Case(self.name, outcome, seconds, self.message or self.points.skipped or "", self.text())
        cases = [junit.Case(point.name, point.outcome, 0.0, point.reason, "") for point in self.points.told]
        junit.write(os.path.join(self.task["result"], "junit.xml"), self.task.get("suite", "script"), [case, *cases])

    def text(self) -> str:
        return self.output.decode("utf-8", "replace")

    def last_line(self) -> str:
        found = [line.strip() for line in self.text().splitlines() if line.strip()]
        return found[-1] if found else "it said nothing"


def lines(chunks: Iterator[bytes]) -> Iterator[str]:
    """Whole lines of a stream, without their ends; of a very long one the beginning."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        rest = rest[:LINE]
        for line in whole:
            yield line[:LINE].rstrip(b"\r").decode("utf-8", "replace")
    yield rest.decode("utf-8", "replace")


def ended(code: int) -> str:
    """``ended with exit code 3``, ``was ended by SIGKILL``."""
    names = {member.value: member.name for member in signal.Signals}
    if code - SIGNAL in names:
        return f"was ended by {names[code - SIGNAL]}"
    return f"ended with exit code {code}"


def refusal() -> str:
    """Why nobody may be root here by ``sudo -n``; nothing where one may."""
    try:
        asked = subprocess.run(["sudo", "-n", "true"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except OSError as error:
        return f"sudo: {error.strerror}"
    said = asked.stderr.decode("utf-8", "replace").strip().splitlines()
    return "" if asked.returncode == 0 else (said or [f"it ended with {asked.returncode}"])[-1]


def stop(process: subprocess.Popen[bytes], sudo: tuple[str, ...], *, alone: bool) -> None:
    """TERM, a while to end by itself, then KILL; to all of its session where it has one of its own."""

    def send(number: int) -> None:
        if sudo:  # what runs as root is signalled by root
            target = f"-{process.pid}" if alone else str(process.pid)
            order = f"kill -{number} {target}"  # the shell's own: few images have the program
            subprocess.run(["sudo", "-n", "sh", "-c", order], capture_output=True, check=False)
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number) if alone else process.send_signal(number)

    send(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        process.wait(STOP)
    send(signal.SIGKILL)
