"""Beside a command on a machine that noxlib enters from afar: ``python <folder>/noxlib_inside/supervise.py ORDER``.

The order is a file of JSON, which only its owner may read, since the command's environment is in it; it is removed as
soon as it is read. Keys: ``argv``, ``environment`` (whole), ``exit`` (path of the file that tells how it ended), and
where wanted ``cwd``, ``timeout`` and ``grace`` in seconds, ``watch`` (standard input is the caller's: ``stop SECONDS``
on a line of its own ends the command gently, its end means that the caller is gone), ``terminal`` (standard input is a
person's, and there is no deadline), ``loopback`` (a network of its own needs one), ``task`` (path of the task that the
command is to carry out: where a test ends its process, a new one goes on with the rest).

Output goes where this program's goes, stdout and stderr in one stream. Whatever happens to the caller, nothing of the
command outlives this program; where this is the first process of a pid namespace, the kernel sees to that as well.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from typing import Any

GRACE = 5.0  # seconds between TERM and KILL at the deadline
STOP_GRACE = 10.0  # the same where a scheduler or a person asks for the end
PAUSE = 60.0  # seconds after which the clock is looked at in any case
NOT_FOUND, NOT_EXECUTABLE, USAGE = 127, 126, 64
NO_ROOM, UNWRITTEN = 73, 71  # EX_CANTCREAT and EX_OSERR of sysexits.h: how it ended could not be written
FIRST = 1  # pid of the first process of a pid namespace, which gets every orphan


class Supervisor:
    """One command, from its start to the end of all that it started."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.order = order
        self.cause = "exit"
        self.status: int | None = None
        self.pid = 0
        self.deadline: float | None = None
        self.kill_at: float | None = None
        self.words = b""
        watched = order.get("watch") and not order.get("terminal")
        self.stdin: int | None = os.dup(0) if watched else None

    def run(self) -> dict[str, Any]:
        """Run the command; how it ended, as ``code`` (128 + N for signal N), ``cause`` and ``oom``."""
        wake = listen()
        adopt_orphans()
        if self.order.get("loopback"):
            raise_loopback()
        rest = rest_of(self.order)
        while True:
            exit_ = self.once(wake)
            following = rest.after(exit_) if rest else None
            if following is None:
                return exit_
            self.order = following

    def once(self, wake: int) -> dict[str, Any]:
        """One process of the command."""
        from . import oom  # noqa: PLC0415 - this module is a script first

        kills = oom.kills()
        try:
            self.start()
        except OSError as error:
            print(f"noxlib: cannot run {error.filename or self.order['argv'][0]}: {error.strerror}", flush=True)
            return {"code": NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE, "cause": "exit"}
        self.follow(wake)
        end_all()
        return self.describe(oom.kills() > kills)

    def start(self) -> None:
        terminal = bool(self.order.get("terminal"))
        timeout = None if terminal else self.order.get("timeout")
        self.deadline = None if timeout is None else time.monotonic() + timeout  # before the command's first step
        process = subprocess.Popen(
            self.order["argv"],
            env=self.order["environment"],
            cwd=self.order.get("cwd"),
            stdin=None if terminal else subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
            start_new_session=not terminal,
        )
        self.pid, self.status = process.pid, None
        process.returncode = 0  # it is waited for here, with all the orphans

    def follow(self, wake: int) -> None:
        """Wait for the command's end; TERM at the deadline or when told so, KILL when the grace is over."""
        while not self.reap():
            now = time.monotonic()
            if self.kill_at is not None and now >= self.kill_at:
                self.kill_at = None
                self.kill()
            if self.deadline is not None and now >= self.deadline:
                self.deadline = None
                self.stop("timeout", self.order.get("grace", GRACE))
            ends = [moment for moment in (self.kill_at, self.deadline) if moment is not None]
            self.listen(wake, max(0.0, min([now + PAUSE, *ends]) - now))

    def listen(self, wake: int, seconds: float) -> None:
        ready, _, _ = select.select([wake] if self.stdin is None else [wake, self.stdin], [], [], seconds)
        if wake in ready:
            numbers = os.read(wake, 512)
            if signal.SIGTERM in numbers or signal.SIGHUP in numbers:
                self.stop("cancelled", STOP_GRACE)
        if self.stdin is not None and self.stdin in ready:
            self.hear(os.read(self.stdin, 512))

    def hear(self, words: bytes) -> None:
        """What the caller says; its silence for ever means that it is gone, and nobody waits for a result."""
        if not words:
            self.stdin = None
            self.cause = "lost" if self.cause == "exit" else self.cause
            self.kill()
            return
        *lines, self.words = (self.words + words).split(b"\n")
        for line in lines:
            name, _, seconds = line.partition(b" ")
            if name == b"stop":
                self.stop("cancelled", float(seconds or STOP_GRACE))

    def stop(self, cause: str, grace: float) -> None:
        """TERM to the command itself, which may end its own children as it likes."""
        self.cause = cause if self.cause == "exit" else self.cause
        self.kill_at = time.monotonic() + grace
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def reap(self) -> bool:
        """Collect the dead, orphans too; whether the command is among them."""
        while self.status is None:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return False
            if pid == self.pid:
                self.status = status
        return True

    def describe(self, oom: bool) -> dict[str, Any]:
        """How the command ended: the code as a shell has it, and why. ``oom``: the kernel has killed for memory."""
        code = os.waitstatus_to_exitcode(self.status or 0)
        if code >= 0:
            return {"code": code, "cause": self.cause, "oom": False}
        killed_by_kernel = oom and code == -signal.SIGKILL and self.cause == "exit"
        cause = "out-of-memory" if killed_by_kernel else "signal" if self.cause == "exit" else self.cause
        return {"code": 128 - code, "cause": cause, "oom": killed_by_kernel}


def listen() -> int:
    """Signals wake the one loop through a pipe: a handler, unlike SIG_IGN, is not inherited by the command."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, lambda *_: None)
    return reading


def adopt_orphans() -> None:
    """Outside a pid namespace of its own, a process whose parent ended becomes our child (prctl(2), Linux 3.4)."""
    if os.getpid() != FIRST and sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - slow to load, and seldom needed

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER


def rest_of(order: dict[str, Any]) -> Any:
    """What goes on after a test that ended its process; None for a command that is no task."""
    if "task" not in order:
        return None
    from . import resuming  # noqa: PLC0415 - as above

    return resuming.rest_of(order)


def end_all() -> None:
    """Kill what the command left, and collect it, until there is nothing more."""
    from . import deadline  # noqa: PLC0415 - as above

    while True:
        if os.getpid() == FIRST:
            with contextlib.suppress(OSError):
                os.kill(-1, signal.SIGKILL)
        else:
            deadline.kill_children(os.getpid())
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def raise_loopback() -> None:
    """Bring ``lo`` up, as engines do for a container without a network: netdevice(7), SIOCSIFFLAGS."""
    import fcntl  # noqa: PLC0415 - seldom needed
    import socket  # noqa: PLC0415
    import struct  # noqa: PLC0415

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        fcntl.ioctl(device, 0x8914, struct.pack("16sh14x", b"lo", 0x41))  # IFF_UP | IFF_RUNNING


def write(path: str, exit_: dict[str, Any]) -> None:
    """Write how it ended in one step: a reader meets the whole file or none. Raises OSError."""
    beside = f"{path}.{os.getpid()}"
    with open(beside, "w", encoding="ascii") as stream:
        json.dump({"oom": False, **exit_}, stream)
    os.replace(beside, path)


def main(argv: list[str]) -> int:
    """Carry out the order whose file is the one argument; the command's own code is this program's."""
    try:
        (path,) = argv[1:]
        with open(path, encoding="utf-8") as stream:
            order = json.load(stream)
        os.unlink(path)
    except (OSError, ValueError) as error:
        print(f"noxlib: supervise.py needs the path of an order: {error}", file=sys.stderr)
        return USAGE
    exit_ = Supervisor(order).run()
    try:
        write(order["exit"], exit_)
    except OSError as error:  # this program's own code tells of it: the output may go to the same disk
        told = f"noxlib: the command ended with {exit_['code']}, which cannot be written: {error.strerror}"
        with contextlib.suppress(OSError):
            print(told, flush=True)
        return NO_ROOM if error.errno in (errno.ENOSPC, errno.EDQUOT) else UNWRITTEN
    return int(exit_["code"])


if __name__ == "__main__":  # a script's folder comes first on sys.path, where its modules would shadow others
    here = os.path.dirname(os.path.abspath(__file__))
    if sys.path and os.path.realpath(sys.path[0]) == os.path.realpath(here):
        del sys.path[0]
    sys.path.append(os.path.dirname(here))
    sys.exit(importlib.import_module(os.path.basename(here) + ".supervise").main(sys.argv))
