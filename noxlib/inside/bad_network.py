"""Proxies between the tests and the services of their stack: ``--fault SERVICE:FAULTS``, the fixture ``bad_network``.

The names of such services lead to addresses of the loopback, by /etc/hosts, where proxies wait that know the services
by another name. All run in one process, which the one that runs pytest starts before any conftest is imported. Tests
speak to it through a socket, those in workers of pytest-xdist too.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
from typing import TYPE_CHECKING, Any

from . import faults as faults_
from .network import PATIENCE, Counts, Network, Proxy, ProxyProcess
from .sockets import connected

if TYPE_CHECKING:
    from collections.abc import Mapping

SOCKET = "proxies.sock"
REAL = {"name": "the stack's", "network_simulation": True}


class Asking:
    """Asks the proxies' process through its socket, as ``ProxyProcess`` does through its pipe."""

    def __init__(self, path: str) -> None:
        self.path = path

    def ask(self, **command: Any) -> dict[str, Any]:
        """Have a command carried out. Raises OSError where it cannot be, or the process has ended."""
        with connected(self.path) as connection:
            connection.settimeout(PATIENCE)
            connection.sendall(json.dumps(command).encode() + b"\n")
            with connection.makefile("rb") as lines:
                answer: dict[str, Any] = json.loads(lines.readline() or b'{"error": "it has ended"}')
        if "error" in answer:
            raise OSError(f"the proxy cannot do it: {answer['error']}")
        return answer


class BadService:
    """A service behind proxies, one for each of its ports."""

    def __init__(self, proxies: list[Proxy], first: faults_.Schedule) -> None:
        self.proxies, self.first = proxies, first

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
        """What went through since the proxies began."""
        return Counts(*(sum(numbers) for numbers in zip(*(proxy.counts for proxy in self.proxies))))

    def reset(self) -> None:
        """Let those faults hold that the session began with."""
        for proxy in self.proxies:
            proxy._hold(self.first)  # noqa: SLF001 - of our own class


def services(faulted: Mapping[str, Mapping[str, Any]], process: Any, *, opened: bool) -> dict[str, BadService]:
    """The services by name; their proxies are opened, or they are open and have their numbers from 1.

    Args:
        faulted: By service its ``ends``, the address by port; the proxies' ``address``; the ``faults``: a profile and
            values.
        process: Whom to ask.
        opened: Whether they are open already.
    """
    network, number, found = Network(process, REAL), 0, {}
    for name, one in faulted.items():
        proxies = []
        for port, (host, there) in one["ends"].items():
            number += 1
            listen = (one["address"], int(port))
            proxies.append(Proxy(network, (host, there), listen=listen, number=number if opened else None))
        profile, values = one["faults"]
        found[name] = BadService(proxies, faults_.schedule(profile, **values))
    return found


class Proxies:
    """The proxies of a stack, in the process that starts them.

    Args:
        faulted: As in ``services``; ``asked`` has the user's own words.
        folder: Where the socket is made.

    Raises OSError, ValueError.
    """

    def __init__(self, faulted: Mapping[str, Mapping[str, Any]], folder: str) -> None:
        self.faulted = faulted
        self.process = ProxyProcess()
        self.services = services(faulted, self.process, opened=False)
        for service in self.services.values():
            service.reset()
        self.process.ask(do="serve", path=os.path.join(folder, SOCKET))

    def result(self) -> list[dict[str, Any]]:
        """For result.json: what went through, by service; nothing where the process has ended."""
        found = []
        with contextlib.suppress(OSError):
            for name, service in self.services.items():
                found.append({"service": name, "faults": self.faulted[name]["asked"], **service.counts._asdict()})
        return found


class BadNetwork:
    """What the fixture ``bad_network`` gives."""

    def __init__(self, faulted: Mapping[str, Mapping[str, Any]], folder: str) -> None:
        self.services = services(faulted, Asking(os.path.join(folder, SOCKET)), opened=True)

    def __call__(self, name: str) -> BadService:
        """A service with a proxy before it. Raises LookupError for another one."""
        if name in self.services:
            return self.services[name]
        near = difflib.get_close_matches(name, self.services, 1)
        hint = f"did you mean {near[0]}?" if near else f"ask for one: -- --fault {name}"
        raise LookupError(f"there is no proxy before {name!r}; {hint}")

    def close(self) -> None:
        """Let those faults hold again that the session began with."""
        for service in self.services.values():
            service.reset()
