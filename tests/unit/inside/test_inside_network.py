"""The proxy between a client and a server of this process: bytes are exact, faults are as they were asked for.

What takes time is held from below only: a busy machine makes everything later.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from noxlib.inside import network as network_module
from noxlib.inside.network import Network, Proxy, ProxyProcess

REPOSITORY = Path(__file__).parents[3]
PATIENCE = 600.0
StartRun = Callable[..., Any]  # see conftest.py
Server = Callable[[Callable[[socket.socket], None]], tuple[str, int]]


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_module, "PATIENCE", PATIENCE)


@pytest.fixture(scope="module")
def process() -> Iterator[ProxyProcess]:
    found = ProxyProcess()
    yield found
    found.close()


@pytest.fixture
def network(process: ProxyProcess) -> Iterator[Network]:
    found = Network(process, {"name": "ci", "network_simulation": True})
    with found.names():
        yield found
    found.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """Start a server that does something with each connection; its address."""
    with contextlib.ExitStack() as stack:

        def start(handle: Callable[[socket.socket], None]) -> tuple[str, int]:
            listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

            def serve() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listening.accept()
                        with connection, contextlib.suppress(OSError):
                            handle(connection)

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            stack.callback(thread.join)
            stack.callback(listening.shutdown, socket.SHUT_RDWR)
            host, port = listening.getsockname()
            return host, port

        yield start


def echo(connection: socket.socket) -> None:
    while data := connection.recv(100_000):
        connection.sendall(data)


def says(data: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(data)


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(proxy.address, timeout=PATIENCE)


def read(connection: socket.socket) -> tuple[bytes, str]:
    """All that comes, and how it ends."""
    found = b""
    try:
        while data := connection.recv(1 << 16):
            found += data
    except ConnectionResetError:
        return found, "reset"
    return found, "end"


def fetched(proxy: Proxy) -> tuple[bytes, str]:
    """What a server says by itself; a reset may come before the client knows that it is connected."""
    try:
        with connect(proxy) as connection:
            return read(connection)
    except ConnectionResetError:
        return b"", "reset"


def exchanged(proxy: Proxy, data: bytes) -> bytes:
    """What an echo gives back."""
    with connect(proxy) as connection:

        def send() -> None:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        found, end = read(connection)
        sending.join()
        assert end == "end"
        return found


@pytest.mark.parametrize(
    "faults",
    [{}, {"latency": 0.01, "jitter": 0.01}, {"bandwidth": 50e6}, {"loss": 0.0005}, {"slow_close": 0.01}],
    ids=lambda faults: next(iter(faults), "good"),
)
def test_every_byte_arrives_once_and_in_order(network: Network, server: Server, faults: dict[str, float]) -> None:
    data = random.Random(1).randbytes(3_000_001)
    proxy = network.proxy(*server(echo), faults)
    assert exchanged(proxy, data) == data
    assert (proxy.counts.sent, proxy.counts.received) == (len(data), len(data))


@pytest.mark.parametrize("at", [0, 1, 1460, 99_999, 300_000])
@pytest.mark.parametrize("by", ["reset", "close"])
def test_a_connection_is_cut_at_the_very_byte(network: Network, server: Server, at: int, by: str) -> None:
    def answer(connection: socket.socket) -> None:  # when asked: a reset during the client's connect loses the bytes
        assert connection.recv(1) == b"?"
        connection.sendall(b"x" * 400_000)

    proxy = network.proxy(*server(answer), {"cut_at": at, "cut_by": by})
    with connect(proxy) as connection:
        connection.sendall(b"?")
        found, end = read(connection)
    assert (len(found), end) == (at, "reset" if by == "reset" else "end")
    assert proxy.counts.received == at


def test_an_answer_that_is_shorter_is_not_cut(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(says(b"short")), {"cut_at": 6})
    with connect(proxy) as connection:
        assert read(connection) == (b"short", "end")


def test_an_answer_takes_the_latency(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(echo), {"latency": 0.2})
    with connect(proxy) as connection:
        for _ in range(2):
            begin = time.monotonic()
            connection.sendall(b"ping")
            assert connection.recv(10) == b"ping"
            assert time.monotonic() - begin > 0.195


def test_latency_is_no_limit_of_the_bandwidth(server: Server, network: Network) -> None:
    def all_at_once(connection: socket.socket) -> None:
        connection.sendall(b"x" * 16_000_000)  # more than the kernel keeps on the way
        sent.set()

    sent = threading.Event()
    address = server(all_at_once)
    with connect(network.proxy(*address, {"latency": 2.0})) as connection:
        begin = time.monotonic()
        assert len(read(connection)[0]) == 16_000_000
    assert time.monotonic() - begin > 0.99
    assert sent.wait(PATIENCE)
    sent.clear()
    with connect(network.proxy(*address, {"latency": 1e6})) as connection:
        assert sent.wait(PATIENCE)  # all of it is on the way before the first byte arrives
        connection.setblocking(False)
        with pytest.raises(BlockingIOError):
            connection.recv(1)


def test_bytes_take_the_time_of_the_bandwidth_whatever_the_number_of_connections(
    network: Network, server: Server
) -> None:
    proxy = network.proxy(*server(says(b"x" * 100_000)), {"bandwidth": 1e6})
    begin = time.monotonic()
    with connect(proxy) as one, connect(proxy) as other:
        assert (len(read(one)[0]), len(read(other)[0])) == (100_000, 100_000)
    assert time.monotonic() - begin > 0.19


def test_lost_packets_come_late(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(says(b"x" * 2000)), {"loss": 1.0})  # two packets
    begin = time.monotonic()
    with connect(proxy) as connection:
        assert len(read(connection)[0]) == 2000
    assert time.monotonic() - begin > 0.395


def test_the_end_of_a_stream_comes_late(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(says(b"all")), {"slow_close": 0.3})
    begin = time.monotonic()
    with connect(proxy) as connection:
        assert read(connection) == (b"all", "end")
    assert time.monotonic() - begin > 0.295


def test_one_side_may_close_while_the_other_goes_on(network: Network, server: Server) -> None:
    def handle(connection: socket.socket) -> None:
        while connection.recv(100):
            pass
        connection.sendall(b"got all of it")

    with connect(network.proxy(*server(handle))) as connection:
        connection.sendall(b"question")
        connection.shutdown(socket.SHUT_WR)
        assert read(connection) == (b"got all of it", "end")


def test_down_refuses_ends_what_is_connected_and_gives_the_port_back(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(echo))
    with connect(proxy) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        with proxy.use("down"):
            assert read(connection) == (b"", "reset")
            with pytest.raises(ConnectionRefusedError):
                connect(proxy)
    assert exchanged(proxy, b"again") == b"again"
    assert proxy.counts.connections == 2


def test_the_same_seed_drops_the_same_connections(network: Network, server: Server) -> None:
    address = server(says(b"hello"))

    def dropped(seed: int) -> list[bool]:
        proxy = network.proxy(*address, {"drop": 0.5}, seed=seed)
        found = [fetched(proxy) == (b"", "reset") for _ in range(24)]
        assert proxy.counts.dropped == sum(found)
        return found

    first = dropped(3)
    assert first == dropped(3)
    assert first != dropped(4)
    assert 0 < sum(first) < 24


def test_turns_are_taken_by_the_clock(network: Network, server: Server) -> None:
    proxy = network.proxy(*server(says(b"hello")), "down")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)
    proxy.use([(0.2, "down"), (1e6, "good")])
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with contextlib.suppress(ConnectionRefusedError), connect(proxy) as connection:
            assert read(connection) == (b"hello", "end")
            return
        time.sleep(0.05)
    pytest.fail("the network never came up")


def test_a_server_that_is_not_there_is_a_reset(network: Network) -> None:
    with socket.socket() as silent:  # which keeps its port from all others, and does not listen
        silent.bind(("127.0.0.1", 0))
        assert fetched(network.proxy(*silent.getsockname())) == (b"", "reset")


def test_a_name_leads_to_the_proxy_or_cannot_be_looked_up(network: Network, server: Server) -> None:
    _, port = server(says(b"hello"))
    proxy = network.proxy("localhost", port, redirect=True)
    with socket.create_connection(("localhost", port), timeout=PATIENCE) as connection:
        assert read(connection) == (b"hello", "end")
    assert proxy.counts.connections == 1
    with proxy.use(dns=True), pytest.raises(socket.gaierror, match="name resolution"):
        socket.create_connection(("localhost", port))
    assert socket.getaddrinfo("localhost", 1)[0][4] != proxy.address


def test_without_simulation_no_fault_applies_but_nonsense_is_refused(process: ProxyProcess, server: Server) -> None:
    network = Network(process, {"name": "local", "network_simulation": False})
    proxy = network.proxy(*server(says(b"hello")), "down")
    with connect(proxy) as connection:
        assert read(connection) == (b"hello", "end")
    with pytest.raises(ValueError, match="no network 'dwon'"):
        proxy.use("dwon")
    with pytest.raises(pytest.skip.Exception, match="environment local has network_simulation = false"):
        network.require()
    network.close()


def test_the_end_of_a_test_ends_its_connections_and_frees_its_port(process: ProxyProcess, server: Server) -> None:
    network = Network(process, {"name": "ci", "network_simulation": True})
    proxy = network.proxy(*server(echo))
    with connect(proxy) as connection:
        connection.sendall(b"a")
        assert connection.recv(1) == b"a"
        network.close()
        assert read(connection) == (b"", "reset")
    with pytest.raises(ConnectionRefusedError):
        connect(proxy)


def test_a_process_that_was_killed_is_told() -> None:
    process = ProxyProcess()
    network = Network(process, {"name": "ci", "network_simulation": True})
    network.proxy("127.0.0.1", 9)
    assert process.process is not None
    process.process.kill()
    process.process.wait()
    with pytest.raises(OSError, match=r"the proxies' process, \d+, has ended with -9"):
        network.proxy("127.0.0.1", 9)
    process.close()


def test_the_proxies_end_with_tests_that_are_killed_though_a_child_of_theirs_lives_on() -> None:
    code = """
import os, sys, time
from noxlib.inside.network import ProxyProcess
process = ProxyProcess()
process.ask(do="open", host="127.0.0.1", port=9, seed=0)
if os.fork() == 0:  # it holds the proxies' standard input open
    time.sleep(600)
    os._exit(0)
print(process.process.pid, flush=True)
time.sleep(600)
"""
    tests = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=REPOSITORY,
        start_new_session=True,
    )
    assert tests.stdout is not None
    proxies = int(tests.stdout.readline())
    child = next(pid for pid in children(tests.pid) if pid != proxies)
    try:
        tests.kill()
        tests.wait()
        deadline = time.monotonic() + PATIENCE
        while running(proxies) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not running(proxies)
        assert running(child)
    finally:
        os.kill(child, signal.SIGKILL)
        tests.stdout.close()


def children(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in found.split()]


def running(pid: int) -> bool:
    """Whether a process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):  # it may end while it is read
        return False


@pytest.mark.parametrize(
    ("name", "counts", "skipped"),
    [
        ("ci", {"passed": 4}, {}),
        ("local", {"passed": 3, "skipped": 1}, {"network_simulation = false": 1}),
    ],
)
def test_the_environment_decides_whether_the_fixtures_faults_apply(
    name: str, counts: dict[str, int], skipped: dict[str, int], run: StartRun
) -> None:
    profile = {"name": name, "timeout_multiplier": 2.0, "concurrent": 1, "large_files": True, "backends": ["file"]}
    simulated = {"network_simulation": name == "ci", "reason": "by the test"}
    done = run("bad_network", "--noxlib-leaks=fail", profile={**profile, **simulated})
    assert (done.code, done.counts) == (0, counts), done.output
    assert done.result["profile"]["skipped"] == skipped
