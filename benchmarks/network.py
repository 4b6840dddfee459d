"""The proxy of the fixture ``network``: what goes through it without a fault, and how exact its latency is."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.figures import Result, figure
from benchmarks.sampling import await_quiet, say
from noxlib.inside.network import Network, ProxyProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = 1 << 30
SECONDS = SIZE * 8 / 2e9  #: of that size at 2 Gbit/s
ASKED = (0.001, 0.005, 0.02, 0.1)  #: seconds of latency
SHARE, LEAST = 0.05, 0.001  #: what latency may be off: a share of it, or seconds
EXCHANGES = 21
ROUNDS = 5
BLOCK = bytes(1 << 20)


def run(rounds: int) -> list[Result]:
    """Measure, directly and through the proxy in turns."""
    process = ProxyProcess()
    network = Network(process, {"name": "bench", "network_simulation": True})
    with contextlib.closing(process), contextlib.closing(network), _server() as address:
        proxy = network.proxy(*address)
        ways = {"direct": address, "proxied": proxy.address}
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        off: list[float] = []
        for number in range(min(rounds, ROUNDS) + 1):
            await_quiet()
            for name, to in ways.items():
                seconds[name].append(_fetch(to))
            plain = _round_trip(proxy.address)
            for asked in ASKED:
                with proxy.use(latency=asked):
                    added = _round_trip(proxy.address) - plain
                say(f"  round {number}: {asked * 1000:g} ms asked for, {added * 1000:.2f} ms more")
                off.append(abs(added - asked) / max(LEAST, SHARE * asked))
    found = {name: figure(values[1:]) for name, values in seconds.items()}
    what = f"{SIZE >> 20} MiB through the proxy without a fault (2 Gbit/s)"
    return [
        Result("network", what, SECONDS, "s", found["proxied"], found),
        Result("network latency", "latency off by 1 ms or 5 %", 1.0, "x", figure(off[len(ASKED) :]), {}),
    ]


def _fetch(address: tuple[str, int]) -> float:
    buffer = bytearray(1 << 20)
    with socket.create_connection(address) as connection:
        begin = time.perf_counter()
        connection.sendall(b"d")
        left = SIZE
        while left:
            left -= connection.recv_into(buffer)
        return time.perf_counter() - begin


def _round_trip(address: tuple[str, int]) -> float:
    """Seconds of an exchange of a few bytes: the median."""
    found = []
    with socket.create_connection(address) as connection:
        connection.sendall(b"e")
        for _ in range(EXCHANGES):
            begin = time.perf_counter()
            connection.sendall(b"ping")
            connection.recv(4, socket.MSG_WAITALL)
            found.append(time.perf_counter() - begin)
    return median(found)


@contextlib.contextmanager
def _server() -> Iterator[tuple[str, int]]:
    """Sends the whole size to who begins with ``d``, and back what comes to who begins with ``e``."""

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if connection.recv(1) == b"d":
                for _ in range(SIZE // len(BLOCK)):
                    connection.sendall(BLOCK)
            while data := connection.recv(1 << 16):
                connection.sendall(data)

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=[listening.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        threading.Thread(target=serve, daemon=True).start()
        host, port = listening.getsockname()
        yield host, port
        listening.shutdown(socket.SHUT_RDWR)
