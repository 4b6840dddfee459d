"""The QEMU Machine Protocol: one command, one answer, over a machine's unix socket; and one event that counts."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import time
from typing import TYPE_CHECKING, Any

from noxlib.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

_PAUSE = 0.05  # seconds between two questions
_ANSWER = 30.0  # seconds that QEMU may take for one
#: The event's own field ``nospace`` is there only where an error stops the machine.
_NO_SPACE = {os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT)}


class Qmp:
    """A connection to one machine; a context manager."""

    def __init__(self, path: Path, deadline: float) -> None:
        """Connect as soon as the socket is there, until ``deadline`` (of ``time.monotonic``). Raises EngineError."""
        self._path = path
        self._no_space = False
        self._socket = self._connect(deadline)
        self._socket.settimeout(_ANSWER)
        self._lines = self._socket.makefile("rb")
        try:
            self._read()  # the greeting
            self.execute("qmp_capabilities")
        except EngineError:
            self.__exit__()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._lines.close()
        self._socket.close()

    def execute(self, command: str, **arguments: Any) -> Any:
        """What QEMU returns for a command. Raises EngineError where it refuses or is gone."""
        try:
            self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
            answer = self._read()
            while "event" in answer:
                answer = self._read()
        except OSError as error:
            raise _gone(command) from error
        if "error" in answer:
            raise EngineError(f"QEMU refuses {command}: {answer['error'].get('desc')}", "see the machine's qemu.log")
        return answer.get("return")

    def lacked_space(self) -> bool:
        """Whether QEMU has told that a disk of the guest's could not be written for want of space on this machine.

        That something is free there now says nothing: what is refused may be many MiB at once. A machine that has
        ended meanwhile is heard to its last word.
        """
        with contextlib.suppress(EngineError):
            self.execute("query-status")
            return self._no_space
        with contextlib.suppress(EngineError):
            while True:
                self._read()
        return self._no_space

    def port(self) -> int:
        """The port of this machine that leads to the guest's port 22; QEMU took a free one. Raises EngineError."""
        shown = self.execute("human-monitor-command", **{"command-line": "info usernet"})
        for line in shown.splitlines():  # Protocol[State] FD Source-Address Port Dest.-Address Port RecvQ SendQ
            words = line.split()
            if words[:1] == ["TCP[HOST_FORWARD]"]:
                return int(words[3])
        raise EngineError("QEMU forwards no port to the guest", "see the machine's qemu.log")

    def await_running(self, seconds: float) -> None:
        """Wait until saved RAM is loaded and the machine goes on. Raises EngineError."""
        deadline = time.monotonic() + seconds
        while self.execute("query-status").get("status") != "running":
            if time.monotonic() > deadline:
                raise EngineError(f"the saved RAM is not loaded within {seconds:g} s", "see the machine's qemu.log")
            time.sleep(_PAUSE)

    def save(self, state: str, timeout: float) -> None:
        """Write the running machine's memory by a shell command that takes it on standard input.

        Raises:
            EngineError: It does not end well within ``timeout`` seconds.
        """
        self.execute("migrate-set-parameters", **{"max-bandwidth": 10**10})
        self.execute("migrate", uri=f"exec:{state}")
        deadline = time.monotonic() + timeout
        while True:
            status = self.execute("query-migrate").get("status")
            if status == "completed":
                return
            if status in ("failed", "cancelled") or time.monotonic() > deadline:
                raise EngineError(f"the machine's memory cannot be saved: {status}", "is the disk full?")
            time.sleep(_PAUSE)

    def _connect(self, deadline: float) -> socket.socket:
        while True:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self._path))
            except OSError as error:
                connection.close()
                if time.monotonic() > deadline:
                    raise _gone("its socket") from error
                time.sleep(_PAUSE)
            else:
                return connection

    def _read(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._lines.readline())
        except (OSError, ValueError) as error:  # it has ended, perhaps in the middle of a line
            raise _gone("a question") from error
        if found.get("event") == "BLOCK_IO_ERROR":
            self._no_space = self._no_space or found["data"].get("reason") in _NO_SPACE
        return found


def _gone(what: str) -> EngineError:
    return EngineError(f"QEMU does not answer to {what}", "see the machine's qemu.log and console.log", cause="lost")
