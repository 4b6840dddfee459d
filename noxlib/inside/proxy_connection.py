"""One connection through the proxy: two ways, each of them late, narrow, lossy or cut off."""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import struct
import time
from typing import TYPE_CHECKING

from .faults import PACKET, STALL, fraction, gap

if TYPE_CHECKING:
    from .proxy import Proxy

CHUNK = 256 * 1024  # bytes read at once
HELD = 16 << 20  # bytes on the way, without a limit of the bandwidth
SMOOTH = 0.01  # seconds that a piece takes at most, so that a narrow way flows instead of jumping
SENT, RECEIVED = 0, 1  # ways: from the client to the server, and back
OUTQ = 0x5411  # SIOCOUTQ of Linux: bytes that the other side has not acknowledged


class Cut(Exception):
    """The byte is reached at which the connection ends."""


class Way:
    """From one socket to the other: one coroutine reads, another sends what is due."""

    def __init__(self, connection: Connection, source: socket.socket, target: socket.socket, way: int) -> None:
        self.proxy, self.number, self.way = connection.proxy, connection.number, way
        self.source, self.target = source, target
        self.waiting: collections.deque[tuple[float, bytes]] = collections.deque()
        self.held = 0
        self.changed = asyncio.Event()
        self.sent = 0
        self.due = self.stalled = 0.0
        self.loss = (0.0, 0)  # the share, and the byte at which the next packet is lost

    async def carry(self) -> None:
        """Both, to the end of the stream. Raises OSError where a side is gone, Cut."""
        reading = asyncio.ensure_future(self.read())
        reading.add_done_callback(lambda _: self.changed.set())
        try:
            await self.write(reading)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)

    async def read(self) -> None:
        """Take in what comes, each chunk with its time, and no more than may be on the way."""
        loop = asyncio.get_running_loop()
        data = b"begin"
        while data:
            while self.held > self.room():
                self.changed.clear()
                await self.changed.wait()
            data = await loop.sock_recv(self.source, CHUNK)
            self.waiting.append((time.monotonic(), data))
            self.held += len(data)
            self.changed.set()

    def room(self) -> int:
        """Bytes that may be on the way: what the bandwidth lets pass in a round trip, and a little."""
        faults = self.proxy.faults
        if not faults.bandwidth:
            return HELD
        return int(faults.bandwidth * (faults.latency + faults.jitter + 0.05))

    async def write(self, reading: asyncio.Future[None]) -> None:
        """Pass on what was read, up to the end of the stream; raises what ended ``reading``."""
        while True:
            while not self.waiting:
                if reading.done():
                    reading.result()  # raises what ended it
                self.changed.clear()
                await self.changed.wait()
            arrived, data = self.waiting.popleft()
            if not data:
                await self.end(arrived)
                return
            await self.send(arrived, memoryview(data))

    async def send(self, arrived: float, data: memoryview) -> None:
        """Send a chunk in pieces, each when it is due."""
        while data:
            faults = self.proxy.faults
            size = max(PACKET, int(faults.bandwidth * SMOOTH)) if faults.bandwidth else CHUNK
            cut = faults.cut_at if self.way == RECEIVED else None
            if cut is not None:
                size = min(size, cut - self.sent)
                if size <= 0:
                    raise Cut
            piece = data[:size]
            await until(self.when(arrived, len(piece)))
            await self.put(piece)
            data = data[size:]
            self.held -= len(piece)
            self.changed.set()
            if cut is not None and self.sent >= cut:
                raise Cut

    def when(self, arrived: float, size: int) -> float:
        """When so many bytes are there, by the monotonic clock; never before those that went first."""
        faults = self.proxy.faults
        leaves = arrived
        if faults.bandwidth:
            leaves = max(arrived, self.proxy.free_at[self.way]) + size / faults.bandwidth
            self.proxy.free_at[self.way] = leaves
        lost = self.lost(faults.loss, size)
        if lost:
            leaves = self.stalled = max(leaves, self.stalled) + lost * (STALL + faults.latency)
        late = faults.latency / 2
        if faults.jitter:
            late += faults.jitter / 2 * (2 * self.chance(self.sent // PACKET) - 1)
        self.due = max(self.due, leaves + max(0.0, late))
        return self.due

    def lost(self, loss: float, size: int) -> int:
        """Packets that are lost among the next bytes: at places of the stream, however it is cut into chunks."""
        if not loss:
            return 0
        share, at = self.loss
        if share != loss:
            at = self.sent + gap(loss, self.chance(self.sent, 1)) - PACKET
        found = 0
        while at < self.sent + size:
            found += 1
            at += gap(loss, self.chance(at, 1))
        self.loss = (loss, at)
        return found

    def chance(self, *numbers: int) -> float:
        return fraction(self.proxy.seed, self.number, self.way, *numbers)

    async def put(self, data: memoryview) -> None:
        """Send all of it; each byte is counted as the kernel takes it, so that the counts are never behind."""
        while data:
            try:
                size = self.target.send(data)
            except BlockingIOError:
                await writable(self.target)
                continue
            self.sent += size
            self.proxy.counts[("sent", "received")[self.way]] += size
            data = data[size:]

    async def end(self, arrived: float) -> None:
        """Pass the end of the stream on, as late as a byte would be."""
        await until(self.when(arrived, 0) + self.proxy.faults.slow_close)
        with contextlib.suppress(OSError):  # the other side has gone already
            self.target.shutdown(socket.SHUT_WR)


class Connection:
    """A client's connection and ours to the server."""

    def __init__(self, proxy: Proxy, number: int, client: socket.socket) -> None:
        self.proxy, self.number, self.client = proxy, number, client
        client.setblocking(False)

    async def run(self) -> None:
        """Carry both ways until both have ended, or one of them breaks: then the other side is reset too."""
        try:
            server = await self.proxy.connect()
        except OSError:
            abort(self.client)
            return
        except BaseException:
            abort(self.client)
            raise
        for end in (self.client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [
            asyncio.ensure_future(Way(self, self.client, server, SENT).carry()),
            asyncio.ensure_future(Way(self, server, self.client, RECEIVED).carry()),
        ]
        leave = [abort, abort]
        try:
            await asyncio.gather(*ways)
            leave = [close, close]
        except Cut:
            await acknowledged(self.client)
            leave[0] = {"reset": abort, "close": close}[self.proxy.faults.cut_by]
        except OSError:  # one side is gone
            pass
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)
            leave[0](self.client)
            leave[1](server)


async def until(due: float) -> None:
    """Wait until a time of the monotonic clock."""
    left = due - time.monotonic()
    if left > 0:
        await asyncio.sleep(left)


async def writable(target: socket.socket) -> None:
    """Wait until the kernel takes more."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.add_writer(target, lambda: None if future.done() else future.set_result(None))
    try:
        await future
    finally:
        loop.remove_writer(target)


async def acknowledged(target: socket.socket) -> None:
    """Wait until the other side has what was sent, where the kernel tells (Linux): a reset would drop it."""
    import fcntl  # noqa: PLC0415 - there is none on Windows
    import termios  # noqa: PLC0415

    request = getattr(termios, "TIOCOUTQ", OUTQ)
    with contextlib.suppress(OSError):
        while struct.unpack("i", fcntl.ioctl(target, request, b"\0" * 4))[0]:  # noqa: ASYNC110 - it has no event for it
            await asyncio.sleep(0.001)


def abort(end: socket.socket) -> None:
    """Close by a reset."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    end.close()


def close(end: socket.socket) -> None:
    """Close as if all were said: the end of the stream goes before the reset that follows where data was not read."""
    with contextlib.suppress(OSError):  # the other side has gone already
        end.shutdown(socket.SHUT_WR)
    end.close()
