"""The fixture ``services``: kill, pause and restart services of the stack in the middle of a test.

Tests have no engine; they ask noxlib, which started them, through a socket in the run's folder. It carries out these
words alone, for services of this stack alone.
"""

from __future__ import annotations

import functools
import json
import os
import socket
import time
from typing import TYPE_CHECKING

from .sockets import connected

if TYPE_CHECKING:
    from collections.abc import Mapping

PATIENCE = 180.0  # seconds for an answer: a service that is started again becomes ready first
PAUSE = 0.05  # seconds between two looks whether a service listens again


class Services:
    """What the fixture gives.

    Args:
        known: By service the addresses at which it listens.
        folder: That of the socket.
        name: The socket's.
    """

    def __init__(self, known: Mapping[str, list[tuple[str, int]]], folder: str, name: str) -> None:
        self.known, self.folder, self.name = known, folder, name
        self.touched: set[str] = set()

    def kill(self, service: str) -> None:
        """End it at once, as a crash does. It stays down until ``restart``, or the end of the test."""
        self._ask("kill", service)

    def pause(self, service: str) -> None:
        """Stop all its processes where they are: connections stay, and nothing answers."""
        self._ask("pause", service)

    def resume(self, service: str) -> None:
        """Let a paused one go on."""
        self._ask("resume", service)

    def restart(self, service: str) -> None:
        """End it, or find it ended, and start it again; returns when it is ready."""
        self._ask("restart", service)
        self._listens(service)

    def restore(self) -> None:
        """All that was killed or paused runs again, and is ready. Raises the first OSError once all were tried."""
        failed: dict[str, OSError] = {}
        for do in (functools.partial(self._ask, "restore"), self._listens):
            for service in sorted(self.touched - failed.keys()):
                try:
                    do(service)
                except OSError as error:
                    failed[service] = error
        self.touched.clear()
        for first in failed.values():
            raise first

    def _ask(self, do: str, service: str) -> None:
        """Raises LookupError for an unknown service, OSError where it cannot be done."""
        self.touched.add(service)
        with connected(os.path.join(self.folder, self.name)) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(json.dumps({"do": do, "service": service}).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer = json.loads(lines.readline() or b'{"error": "noxlib does not answer"}')
        if "unknown" in answer:
            self.touched.discard(service)
            raise LookupError(answer["unknown"])
        if "error" in answer:
            raise OSError(f"{service}: {answer['error']}")

    def _listens(self, service: str) -> None:
        """Wait until it listens where it says that it does."""
        until = time.monotonic() + PATIENCE
        for host, port in self.known.get(service, ()):
            while True:
                try:
                    socket.create_connection((host, port), PATIENCE).close()
                    break
                except OSError:
                    if time.monotonic() > until:
                        raise
                    time.sleep(PAUSE)
