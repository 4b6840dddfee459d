"""The proxy of the fixture ``network`` beside toxiproxy: the same faults do the same to the same exchange.

Bytes are exact. Times are held from below, and from above by what no busy machine reaches.
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable, Optional

import pytest
import requests

from noxlib.inside.network import Network, ProxyProcess
from noxlib.places import service_faults

from .conftest import wait_until
from .registries import free_port, tool

pytestmark = pytest.mark.toxiproxy

PATIENCE = 60.0
ANSWER = bytes(range(256)) * 2000  # 512,000 bytes
Address = tuple[str, int]


class Toxiproxy:
    """A toxiproxy server with one proxy before an address."""

    def __init__(self, folder: Path, upstream: Address) -> None:
        program, port = tool("toxiproxy"), free_port()
        self.api = f"http://127.0.0.1:{port}"
        with (folder / "log").open("wb") as log:
            argv = [program, "-host", "127.0.0.1", "-port", str(port)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log)
        wait_until(self.answers, "toxiproxy")
        self.address = ("127.0.0.1", free_port())  # it stays free while the proxy is switched off
        listen, ends = (f"{host}:{port}" for host, port in (self.address, upstream))
        self.ask("post", "/proxies", {"name": "it", "listen": listen, "upstream": ends, "enabled": True})

    def answers(self) -> bool:
        with contextlib.suppress(requests.RequestException):
            return requests.get(f"{self.api}/version", timeout=PATIENCE).ok
        return False

    def ask(self, method: str, path: str, given: Optional[dict[str, Any]] = None) -> Any:
        answer = requests.request(method, self.api + path, json=given, timeout=PATIENCE)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def add(self, kind: str, **attributes: int) -> None:
        toxic = {"type": kind, "name": kind, "stream": "downstream", "attributes": attributes}
        self.ask("post", "/proxies/it/toxics", toxic)

    def reset(self) -> None:
        """Enable every proxy and remove every toxic."""
        self.ask("post", "/reset")


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    """Answers each line by as many bytes as it says, until the client has said all."""

    def handle(connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError), connection.makefile("rb") as lines:
            for line in lines:
                connection.sendall(ANSWER[: int(line)])

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=handle, args=[listening.accept()[0]], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        host, port = listening.getsockname()
        yield host, port
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture(scope="module")
def toxiproxy(server: Address, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Toxiproxy]:
    found = Toxiproxy(tmp_path_factory.mktemp("toxiproxy"), server)
    yield found
    found.process.kill()
    found.process.wait()


@pytest.fixture
def ours() -> Iterator[Network]:
    process = ProxyProcess()
    network = Network(process, {"name": "ci", "network_simulation": True})
    yield network
    network.close()
    process.close()


def ask(address: Address, size: int, *, more: bool = False) -> tuple[bytes, str, float]:
    """What answers a question for so many bytes, how the answer ends, and the seconds until then."""
    begin = time.monotonic()
    with socket.create_connection(address, timeout=PATIENCE) as connection:
        connection.sendall(b"%d\n" % size)
        found = b""
        try:
            while len(found) < size or more:
                part = connection.recv(1 << 16)
                if not part:
                    return found, "end", time.monotonic() - begin
                found += part
        except ConnectionResetError:
            return found, "reset", time.monotonic() - begin
    return found, "whole", time.monotonic() - begin


Set = Callable[[Toxiproxy], None]


@pytest.mark.parametrize(
    ("toxic", "faults", "least"),
    [
        (lambda toxiproxy: toxiproxy.add("latency", latency=250), {"latency": 0.25}, 0.245),
        (lambda toxiproxy: toxiproxy.add("latency", latency=250, jitter=50), {"latency": 0.25, "jitter": 0.05}, 0.195),
        (lambda toxiproxy: toxiproxy.add("bandwidth", rate=1000), {"bandwidth": 1000 * 1000}, 0.45),
    ],
    ids=["latency", "jitter", "bandwidth"],
)
def test_an_answer_takes_as_long_as_through_toxiproxy(
    toxiproxy: Toxiproxy, ours: Network, server: Address, toxic: Set, faults: dict[str, float], least: float
) -> None:
    toxiproxy.reset()
    toxic(toxiproxy)
    proxy = ours.proxy(*server, faults)
    taken = {}
    for name, address in (("theirs", toxiproxy.address), ("ours", proxy.address)):
        answers = [ask(address, len(ANSWER)) for _ in range(3)]
        assert {answer[:2] for answer in answers} == {(ANSWER, "whole")}
        taken[name] = min(answer[2] for answer in answers)
    assert least < taken["theirs"] < PATIENCE
    assert least < taken["ours"] < PATIENCE


@pytest.mark.parametrize("at", [1, 1000, 100_001])
def test_an_answer_is_cut_at_the_byte_at_which_toxiproxy_cuts_it(
    toxiproxy: Toxiproxy, ours: Network, server: Address, at: int
) -> None:
    toxiproxy.reset()
    toxiproxy.add("limit_data", bytes=at)
    proxy = ours.proxy(*server, {"cut_at": at, "cut_by": "close"})
    theirs, found = (ask(address, len(ANSWER), more=True) for address in (toxiproxy.address, proxy.address))
    assert theirs[0] == found[0] == ANSWER[:at]
    assert found[1] == "end"
    assert proxy.counts.received == at


def test_an_end_comes_as_late_as_through_toxiproxy(toxiproxy: Toxiproxy, ours: Network, server: Address) -> None:
    toxiproxy.reset()
    toxiproxy.add("slow_close", delay=300)
    proxy = ours.proxy(*server, {"slow_close": 0.3})
    for address in (toxiproxy.address, proxy.address):
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            connection.sendall(b"5\n")
            assert connection.recv(5, socket.MSG_WAITALL) == ANSWER[:5]
            begin = time.monotonic()
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(1) == b""
            assert 0.295 < time.monotonic() - begin < PATIENCE


def test_nothing_comes_where_toxiproxy_lets_nothing_through(
    toxiproxy: Toxiproxy, ours: Network, server: Address
) -> None:
    toxiproxy.reset()
    toxiproxy.add("timeout", timeout=0)
    (fault,) = service_faults.parse(["it:timeout"], ["it"])
    proxy = ours.proxy(*server, fault.values)
    for address in (toxiproxy.address, proxy.address):
        with socket.create_connection(address, timeout=0.5) as connection:
            connection.sendall(b"5\n")
            with pytest.raises(TimeoutError):
                connection.recv(1)


def test_what_is_switched_off_refuses_and_ends_what_is_connected(
    toxiproxy: Toxiproxy, ours: Network, server: Address
) -> None:
    toxiproxy.reset()
    proxy = ours.proxy(*server)
    switches: list[tuple[Address, Callable[[], object]]] = [
        (toxiproxy.address, lambda: toxiproxy.ask("post", "/proxies/it", {"enabled": False})),
        (proxy.address, lambda: proxy.use("down")),
    ]
    for address, switch_off in switches:
        with socket.create_connection(address, timeout=PATIENCE) as connection:
            connection.sendall(b"5\n")
            assert connection.recv(5, socket.MSG_WAITALL) == ANSWER[:5]
            switch_off()
            with contextlib.suppress(ConnectionResetError):  # ours is a reset, toxiproxy's an end
                assert connection.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=PATIENCE)
    toxiproxy.reset()
    proxy.use("good")
    for address, _ in switches:
        assert ask(address, 1000)[:2] == (ANSWER[:1000], "whole")


def test_all_bytes_go_through_both_where_there_is_no_fault(
    toxiproxy: Toxiproxy, ours: Network, server: Address
) -> None:
    toxiproxy.reset()
    proxy = ours.proxy(*server)
    for address in (toxiproxy.address, proxy.address):
        assert ask(address, len(ANSWER))[:2] == (ANSWER, "whole")
    assert (proxy.counts.sent, proxy.counts.received) == (len(b"512000\n"), len(ANSWER))
