"""A proxy that carries bytes as a bad network would: runs in the process of ``proxy_process.py``, by asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import math
import socket
import time
from typing import Any

from . import faults as faults_
from .proxy_connection import Connection, abort

BACKLOG = 1024


class Proxy:
    """Listens at an address and carries each connection to another one; port 0 is a free one.

    Raises OSError where the port cannot be had.
    """

    def __init__(self, target: tuple[str, int], seed: int, listen: tuple[str, int]) -> None:
        self.target = target
        self.seed = seed
        self.host = listen[0]
        self.schedule = faults_.Schedule()
        self.began = time.monotonic()
        self.free_at = [0.0, 0.0]  #: when each way has sent what it was given: connections share the bandwidth
        self.counts = {"connections": 0, "dropped": 0, "sent": 0, "received": 0}
        self.connections: dict[Connection, asyncio.Task[None]] = {}
        self.listener: socket.socket | None = None
        self.accepting: asyncio.Task[None] | None = None
        self.turn: asyncio.TimerHandle | None = None
        # It is bound and never listens: while nobody does, connections are refused, and the port stays ours.
        self.holder = bound(*listen)
        self.port: int = self.holder.getsockname()[1]
        self.listen()

    @property
    def faults(self) -> faults_.Faults:
        """Those that hold now."""
        return self.schedule.at(time.monotonic() - self.began)[0]

    def use(self, schedule: faults_.Schedule) -> None:
        """Let a schedule hold, which begins now."""
        self.schedule, self.began = schedule, time.monotonic()
        self.free_at = [0.0, 0.0]
        self.apply()

    def apply(self) -> None:
        """Listen or not, as the faults of now say; again when their turn is over."""
        if self.turn is not None:
            self.turn.cancel()
        faults, left = self.schedule.at(time.monotonic() - self.began)
        if faults.refuse:
            self.refuse()
        elif self.listener is None:
            self.listen()
        if not math.isinf(left):
            self.turn = asyncio.get_running_loop().call_later(left, self.apply)

    def listen(self) -> None:
        self.listener = bound(self.host, self.port)
        self.listener.listen(BACKLOG)
        self.accepting = asyncio.get_running_loop().create_task(self.accept(self.listener))

    async def accept(self, listener: socket.socket) -> None:
        """Take connections until cancelled; those that the faults drop are reset at once."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, _ = await loop.sock_accept(listener)
            except OSError:  # the client has gone again, or no descriptor is free
                await asyncio.sleep(0.01)
                continue
            number = self.counts["connections"]
            self.counts["connections"] += 1
            if self.faults.drop > faults_.fraction(self.seed, number):
                self.counts["dropped"] += 1
                abort(client)
                continue
            connection = Connection(self, number, client)
            task = loop.create_task(connection.run())
            self.connections[connection] = task
            task.add_done_callback(lambda _, done=connection: self.connections.pop(done, None))  # type: ignore[misc]

    def refuse(self) -> None:
        """Stop listening, and reset what is connected."""
        if self.accepting is not None:
            self.accepting.cancel()
        if self.listener is not None:
            asyncio.get_running_loop().remove_reader(self.listener)
            self.listener.close()
        self.listener = self.accepting = None
        for task in self.connections.values():
            task.cancel()

    async def close(self) -> None:
        """End all of it, and wait until it is ended."""
        if self.turn is not None:
            self.turn.cancel()
        tasks = list(self.connections.values())
        self.refuse()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.holder.close()

    async def connect(self) -> socket.socket:
        """A connection to the target. Raises OSError."""
        loop = asyncio.get_running_loop()
        problem: OSError = ConnectionRefusedError()
        for family, kind, protocol, _, address in await loop.getaddrinfo(*self.target, type=socket.SOCK_STREAM):
            server = socket.socket(family, kind, protocol)
            server.setblocking(False)
            try:
                await loop.sock_connect(server, address)
            except OSError as error:
                server.close()
                problem = error
            except BaseException:
                server.close()
                raise
            else:
                return server
        raise problem

    def describe(self) -> dict[str, Any]:
        return {**self.counts, "open": len(self.connections)}


def bound(host: str, port: int) -> socket.socket:
    """A socket at an address that other sockets of ours may have too."""
    made = socket.socket()
    try:
        made.setblocking(False)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(AttributeError):
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind((host, port))
    except BaseException:
        made.close()
        raise
    return made
