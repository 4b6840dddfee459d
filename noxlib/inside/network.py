"""The network that a test sees: proxies before addresses, whose faults the test chooses while it goes on."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from . import faults as faults_
from . import netem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PATIENCE = 60.0  # seconds for an answer of the proxies' process, which takes milliseconds
START = """\
import importlib, sys
sys.path.insert(0, sys.argv[1])
importlib.import_module(sys.argv[2] + ".proxy_process").main()
"""
HOST = "127.0.0.1"


class Counts(NamedTuple):
    """What went through a proxy so far; ``sent`` and ``received`` are the client's bytes, as the kernel took them."""

    connections: int  #: that were made, the dropped ones too
    dropped: int
    sent: int
    received: int
    open: int  #: now


class ProxyProcess:
    """The process of ``proxy_process.py``: started when first needed, ended by ``close`` or with this process."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[bytes] | None = None
        self.lock = threading.Lock()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Have a command carried out. Raises OSError where it cannot be, or the process has ended."""
        with self.lock:
            answer = self.answer(self.begin(), json.dumps(command).encode() + b"\n")
        if "error" in answer:
            raise OSError(f"the proxy cannot do it: {answer['error']}")
        return answer

    def begin(self) -> subprocess.Popen[bytes]:
        """Start the process, where that was not done yet. Raises OSError."""
        if self.process is None:
            here = os.path.dirname(os.path.abspath(__file__))
            argv = [sys.executable, "-I", "-S", "-c", START, os.path.dirname(here), os.path.basename(here)]
            self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return self.process

    def answer(self, process: subprocess.Popen[bytes], command: bytes) -> dict[str, Any]:
        """Its answer to a command, a line each. Raises OSError where it has ended, or does not answer."""
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(command)
            while not line.endswith(b"\n"):
                if not select.select([process.stdout], [], [], PATIENCE)[0]:
                    raise OSError(f"the proxies' process, {process.pid}, does not answer")
                part = os.read(process.stdout.fileno(), 65536)
                if not part:
                    break
                line += part
        if not line:
            raise OSError(f"the proxies' process, {process.pid}, has ended with {process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def close(self) -> None:
        """End the process and wait for it."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


class Proxy:
    """A proxy before ``target``: connect to ``host`` and ``port`` instead."""

    def __init__(
        self,
        network: Network,
        target: tuple[str, int],
        *,
        seed: int = 0,
        listen: tuple[str, int] = (HOST, 0),
        number: int | None = None,
    ) -> None:
        self.network, self.target = network, target
        self.host, self.port = listen
        if number is None:  # else it is open already
            made = network.process.ask(do="open", host=target[0], port=target[1], seed=seed, listen=listen)
            number, self.port = made["proxy"], int(made["port"])
        self.number = number
        self.schedule, self.began = faults_.Schedule(), time.monotonic()

    @property
    def address(self) -> tuple[str, int]:
        return self.host, self.port

    @property
    def faults(self) -> faults_.Faults:
        """Those that hold now."""
        return self.schedule.at(time.monotonic() - self.began)[0]

    @property
    def counts(self) -> Counts:
        return Counts(**self.network.process.ask(do="counts", proxy=self.number))

    def use(self, given: faults_.Given = "good", **values: Any) -> contextlib.AbstractContextManager[Any]:
        """Let these faults hold from now on, for connections that there are too.

        Args:
            given: A profile's name, faults, or pairs of seconds and one of these, which take turns for ever.
            values: Fields of Faults, instead of those of ``given``.

        Returns:
            In a ``with`` statement it brings back, at its end, what held before.

        Raises ValueError for what makes no sense.
        """
        before = self.schedule
        self._hold(faults_.schedule(given, **values))
        restore = contextlib.ExitStack()
        restore.callback(self._hold, before)
        return restore

    def _hold(self, schedule: faults_.Schedule) -> None:
        if not self.network.simulated:
            return
        self.schedule, self.began = schedule, time.monotonic()
        self.network.process.ask(do="use", proxy=self.number, turns=schedule.to_json())


class Network:
    """What the fixture ``network`` gives: proxies that end with the test.

    Args:
        process: Whom to ask for proxies: a ``ProxyProcess`` or its like.
        environment: The profile: without its ``network_simulation`` no fault applies, and all goes through unharmed.
    """

    def __init__(self, process: Any, environment: Mapping[str, Any]) -> None:
        self.process = process
        self.environment = str(environment["name"])
        self.simulated = bool(environment["network_simulation"])
        self.proxies: list[Proxy] = []
        self.led: dict[tuple[str, int], Proxy] = {}

    def proxy(
        self, host: str, port: int, faults: faults_.Given = "good", *, seed: int = 0, redirect: bool = False
    ) -> Proxy:
        """A new proxy before an address.

        Args:
            host: Name or address of the server.
            port: Its port.
            faults: As in ``Proxy.use``.
            seed: What chance is made of: the same seed, the same losses at the same bytes.
            redirect: Lookups of ``host`` with ``port`` in this process lead to the proxy.
        """
        made = Proxy(self, (host, int(port)), seed=seed)
        self.proxies.append(made)
        made.use(faults)
        if redirect:
            self.led[made.target] = made
        return made

    @contextlib.contextmanager
    def link(self, device: str = "lo", faults: faults_.Given = "good", **values: Any) -> Iterator[None]:
        """In a ``with`` statement, faults of a device itself, by netem: of every packet that leaves by it.

        Faults are given as to ``Proxy.use``, without a schedule, and of ``netem.FIELDS`` only. Outside of a virtual
        machine of noxlib's the test is skipped.
        """
        wanted = netem.checked(faults_.schedule(faults, **values).turns[0][1])
        refused = netem.refusal()
        if refused:
            pytest.skip(refused)
        if not self.simulated:
            yield
            return
        netem.hold(device, wanted)
        try:
            yield
        finally:
            netem.release(device)

    def require(self) -> None:
        """Skip the test where faults do not apply."""
        if not self.simulated:
            pytest.skip(f"environment {self.environment} has network_simulation = false")

    def close(self) -> None:
        """End all proxies and what is connected to them."""
        for proxy in self.proxies:
            self.process.ask(do="close", proxy=proxy.number)
        self.proxies, self.led = [], {}

    @contextlib.contextmanager
    def names(self) -> Iterator[None]:
        """In this process lookups of a proxied host's name lead to its proxy, or fail as its faults say."""
        real = socket.getaddrinfo

        def getaddrinfo(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            if not is_address(name) and any(proxy.target[0] == name and proxy.faults.dns for proxy in self.proxies):
                raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
            led = self.led.get((name, int(port) if str(port).isdigit() else -1))
            return real(*(led.address if led else (host, port)), *args, **kwargs)

        socket.getaddrinfo = getaddrinfo
        try:
            yield
        finally:
            socket.getaddrinfo = real


def is_address(host: Any) -> bool:
    """Whether a host is given by its number, which nobody looks up."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
