"""A small program in the testground, on the services' network: it tells which of them listen at their ports."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Callable, Optional

from noxlib.errors import EngineError
from noxlib.places import addresses, box, stack, stack_known

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger
    from noxlib.places.addresses import Addresses
    from noxlib.places.stack import Stack

#: Prints the name of each service once it listens. A port that is published accepts for a service that does not listen
#: yet, and closes at once. It ends with who started it, however that ends.
PROGRAM = """
import json, os, socket, sys, time, urllib.request
waiting, patience, parent = json.loads(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
def listens(host, port, request):
    if request:
        method, path = request.split()
        asked = urllib.request.Request("http://%s:%d%s" % (host, port, path), method=method)
        return urllib.request.build_opener(urllib.request.ProxyHandler({})).open(asked, timeout=2) is not None
    with socket.create_connection((host, port), 2) as connection:
        connection.settimeout(patience)
        try:
            return not patience or connection.recv(1) != b""
        except socket.timeout:
            return True
while waiting and parent in (0, os.getppid()):
    for name, ends in list(waiting.items()):
        try:
            if all([listens(*end) for end in ends]):
                del waiting[name]
                print(name, flush=True)
        except Exception:
            continue
    time.sleep(0.05)
"""
PATIENCE = 0.3  #: seconds after which a connection by a published port counts as one with the service

Listening = Callable[[], frozenset[str]]  #: the names of the services that listen so far; its first call begins
End = tuple[str, int, str]  #: host, port, and the request that is answered there; none: it only listens


def targets(services: Stack) -> frozenset[str]:
    """The services that nobody asks for their health, and that have ports at which they must listen."""
    waited = ((name, one) for name, one in services.services.items() if name not in services.awaited)
    return frozenset(name for name, one in waited if not stack.has_health(one) and addresses.ports(one))


def ends(services: Stack, reached: Addresses) -> dict[str, list[End]]:
    """Where each of them is asked, by where it is reached."""
    known = {name: stack_known.known(services.services[name]) for name in targets(services) if name in reached}
    return {
        name: [(*end, found.request if found and at == 0 else "") for at, end in enumerate(reached[name].values())]
        for name, found in known.items()
    }


def argv(python: str, wanted: Mapping[str, list[End]], patience: float = 0, parent: int = 0) -> tuple[str, ...]:
    """The program's command; ``parent`` is the process that it ends with, if any."""
    return (python, "-u", "-c", PROGRAM, json.dumps(wanted), str(patience), str(parent))


def beside(services: Stack) -> Addresses:
    """Where services are reached from the tests' container, for those with which it has a network in common."""
    joined = services.attachment.networks
    names = {key: str((about or {}).get("name", key)) for key, about in services.networks.items()}
    shared = {
        name: one
        for name, one in services.services.items()
        if any(names.get(key, key) in joined for key in one.get("networks") or {})
    }
    return addresses.on_network(shared)


class LocalProbe:
    """A context manager that gives ``Listening``, which asks from this machine by the ports that are published.

    A service that is started anew gets other ports: it is asked at those from then on.
    """

    def __init__(self, services: Stack, reached: Callable[[], Addresses]) -> None:
        self._services = services
        self._reached = reached
        self._asked: Optional[dict[str, list[End]]] = None
        self._running: Optional[subprocess.Popen[str]] = None
        self._said: set[str] = set()
        self._reader: Optional[threading.Thread] = None

    def __enter__(self) -> Listening:
        return self._listening

    def __exit__(self, *exc_info: object) -> None:
        if self._running is not None and self._reader is not None:
            with self._running:
                self._running.kill()
                self._reader.join()

    def _listening(self) -> frozenset[str]:
        wanted = ends(self._services, self._reached())
        if wanted != self._asked:
            self.__exit__()
            before, self._asked = self._asked or {}, wanted
            self._said = {name for name in self._said if name not in wanted or wanted[name] == before.get(name)}
            self._said |= targets(self._services) - set(wanted)  # not to be asked from here
            self._ask({name: wanted[name] for name in wanted if name not in self._said})
        return frozenset(self._said)

    def _ask(self, wanted: Mapping[str, list[End]]) -> None:
        program = argv(sys.executable, wanted, PATIENCE, os.getpid())
        # In a session of its own: Ctrl-C at the terminal is ours to answer, and it would tell a traceback.
        self._running = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, start_new_session=True)
        self._reader = threading.Thread(target=self._listen, args=(self._running.stdout,), daemon=True)
        self._reader.start()

    def _listen(self, lines: Iterable[str]) -> None:
        self._said.update(line.strip() for line in lines)


class Probe:
    """A context manager that gives ``Listening``, which asks from a container on the services' network."""

    def __init__(
        self,
        docker: Docker,
        image: str,
        python: str,
        services: Stack,
        *,
        run_id: str,
        labels: Mapping[str, str],
        ledger: Ledger,
    ) -> None:
        self._docker = docker
        self._ledger = ledger
        self._name = box.name_of(run_id, f"probe-{secrets.token_hex(3)}")
        networks: dict[str, tuple[str, ...]] = dict.fromkeys(services.attachment.networks, ())
        wanted = ends(services, beside(services))
        self._silent = targets(services) - set(wanted)  # not to be asked from there
        self._body = box.Attachment(networks=networks).join(
            {
                "Image": image,
                "Entrypoint": list(argv(python, wanted)),
                "Labels": dict(labels),
                "HostConfig": {"Init": True},
            }
        )
        self._entry: Optional[Entry] = None

    def __enter__(self) -> Listening:
        return self._listening

    def __exit__(self, *exc_info: object) -> None:
        if self._entry is not None:
            self._docker.remove(self._name)
            self._ledger.strike(self._entry)

    def _listening(self) -> frozenset[str]:
        if self._entry is None:
            self._entry = self._ledger.add("container", self._name, details={"endpoint": str(self._docker.endpoint)})
            self._docker.start(self._docker.create(self._name, self._body))
        said = b"".join(self._docker.logs(self._name)).decode("utf-8", "replace")
        state = self._docker.state(self._name)
        if not state.running and state.code != 0:
            last = said.strip().splitlines()[-1:] or [state.error]
            raise EngineError(
                f"the program that asks the services for their ports ended with {state.code}: {last[0]}",
                "give each service a healthcheck, and it is not needed",
            )
        return frozenset(said.split()) | self._silent
