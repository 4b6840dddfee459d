"""Services of the stack behind proxies: ``--fault SERVICE:FAULTS``, the fixture ``bad_network``.

The proxies of a service run in a container before it, ``proxy_sidecar.py``. The process that runs pytest lets the
faults of the session begin; tests change them, those in workers of pytest-xdist too.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import socket
from typing import TYPE_CHECKING, Any

from . import faults as faults_
from .network import PATIENCE, Counts, Network, Proxy

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

REAL = {"name": "the stack's", "network_simulation": True}


class Sidecar:
    """Asks a service's proxies, as ``ProxyProcess`` does through its pipe.

    Args:
        control: Host and port where it takes commands.
        token: Without it nobody is answered.
    """

    def __init__(self, control: tuple[str, int], token: str) -> None:
        self.control, self.token = control, token

    def ask(self, **command: Any) -> dict[str, Any]:
        """Have a command carried out. Raises OSError where it cannot be, or nobody answers."""
        with self.connected() as connection:
            connection.sendall(json.dumps(command).encode() + b"\n")
            return answer(connection)

    def session(self) -> socket.socket:
        """The faults that are asked for from now on hold until this is closed. Raises OSError."""
        connection = self.connected(session=True)
        try:
            answer(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def connected(self, **more: Any) -> socket.socket:
        connection = socket.create_connection(self.control, PATIENCE)
        connection.sendall(json.dumps({"token": self.token, **more}).encode() + b"\n")
        return connection


def answer(connection: socket.socket) -> dict[str, Any]:
    """The answer to a command. Raises OSError where there is none, or it is an error."""
    with connection.makefile("rb") as lines:
        found: dict[str, Any] = json.loads(lines.readline() or b'{"error": "it has ended"}')
    if "error" in found:
        raise OSError(f"the proxy cannot do it: {found['error']}")
    return found


def end(connection: socket.socket) -> None:
    """End a session, in whatever process the connection was inherited."""
    with contextlib.suppress(OSError):  # it has ended already
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class BadService:
    """A service behind proxies, one for each of its ports.

    Args:
        told: ``control`` and ``token`` of its sidecar; the proxies' ``ports``; the ``faults`` that the session begins
            with, a profile and values.
    """

    def __init__(self, told: Mapping[str, Any]) -> None:
        host, port = told["control"]
        profile, values = told["faults"]
        self.sidecar = Sidecar((host, port), told["token"])
        self.first = faults_.schedule(profile, **values)
        network, ends = Network(self.sidecar, REAL), [(host, port) for port in told["ports"]]
        self.proxies = [Proxy(network, end, listen=end, number=number) for number, end in enumerate(ends, 1)]

    def use(self, given: faults_.Given = "good", **values: Any) -> contextlib.ExitStack:
        """Let these faults hold from now on, for connections that there are too, as ``Proxy.use`` has it.

        They hold until the test ends; in a ``with`` statement until its end.
        """
        restore = contextlib.ExitStack()
        for proxy in self.proxies:
            restore.push(proxy.use(given, **values))
        return restore

    @property
    def counts(self) -> Counts:
        """What went through since the session began, of the tests and of other services."""
        return Counts(*(sum(numbers) for numbers in zip(*(proxy.counts for proxy in self.proxies))))

    def reset(self) -> None:
        """Let those faults hold that the session began with."""
        for proxy in self.proxies:
            proxy._hold(self.first)  # noqa: SLF001 - of our own class


class Session:
    """The faults of a session, in the process that begins them.

    Args:
        faulted: By service what ``BadService`` takes; ``asked`` has the user's own words.

    Raises OSError, ValueError.
    """

    def __init__(self, faulted: Mapping[str, Mapping[str, Any]]) -> None:
        self.faulted = faulted
        self.services = {name: BadService(told) for name, told in faulted.items()}
        self.held = contextlib.ExitStack()
        with contextlib.ExitStack() as held:
            for service in self.services.values():
                held.callback(end, service.sidecar.session())
                service.reset()
            self.held = held.pop_all()

    def result(self) -> list[dict[str, Any]]:
        """For result.json: what went through, by service; nothing where the proxies have ended."""
        found = []
        with contextlib.suppress(OSError):
            for name, service in self.services.items():
                found.append({"service": name, "faults": self.faulted[name]["asked"], **service.counts._asdict()})
        return found

    def close(self) -> None:
        """No faults any more."""
        self.held.close()


class BadNetwork:
    """What the fixture ``bad_network`` gives."""

    def __init__(self, faulted: Mapping[str, Mapping[str, Any]], known: Iterable[str]) -> None:
        self.services = {name: BadService(told) for name, told in faulted.items()}
        self.known = tuple(known)  # all of the stack's

    def __call__(self, name: str) -> BadService:
        """A service with a proxy before it. Raises LookupError for another one."""
        if name in self.services:
            return self.services[name]
        if name in self.known:
            raise LookupError(f"there is no proxy before {name!r}; ask for one: -- --fault {name}")
        near = difflib.get_close_matches(name, self.known, 1, 0)
        raise LookupError(f"there is no service {name!r}" + (f"; did you mean {near[0]}?" if near else ""))

    def close(self) -> None:
        """Let those faults hold again that the session began with."""
        for service in self.services.values():
            service.reset()
