"""What goes on beside the tests of a stack: mock peers that are watched or record, faults, a channel to the services.

``inside/stack.py`` carries it out, and is told what by a file beside the task.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import sys
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import atomic
from noxlib.errors import PlaceError, UsageError
from noxlib.places import addresses, mocks, recordings, service_faults
from noxlib.places.service_channel import NAME, Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxlib.places.addresses import Addresses
    from noxlib.places.host import Command
    from noxlib.places.services import Services
    from noxlib.places.stack import Stack, Table

FILE = "stack.json"
ID = 12  #: characters of a container's id by which it is found on its networks: a name may be too long for a host's


class Wanted(msgspec.Struct, frozen=True):
    """What a run wants beside its tests."""

    policy: str = "report"  #: what comes of a request that no mock peer expects: ``report`` or ``fail``
    faults: tuple[service_faults.Fault, ...] = ()
    record: dict[str, recordings.Peer] = {}  #: mock peer -> the real one


def wanted(stack: Stack, policy: str, faults: Iterable[str], record: Iterable[str]) -> Wanted:
    """What a run wants, in the words of its configuration and its command line.

    Raises:
        UsageError: they name what there is not, or a value makes no sense.
    """
    peers = recordings.parse(record, mocks.servers(stack.services))
    return Wanted(policy, service_faults.parse(faults, stack.services), peers)


class Companions:
    """What goes on beside the tests of one run.

    Args:
        wanted: What is wanted.
        root: The project's folder, which gets what was recorded.
        folder: The run's, which the tests see.
        network: Whether the tests are on the services' network; else they reach them by ports of this machine.
        channel: Whether a socket in the folder leads from the tests to this process.
    """

    def __init__(self, wanted: Wanted, root: Path, folder: Path, *, network: bool, channel: bool) -> None:
        self._wanted = wanted
        self._root = root
        self._folder = folder
        self._network = network
        self._channel = channel and sys.platform == "linux"
        self._prefix = "127.0.1" if network else f"127.{10 + secrets.randbelow(240)}.{secrets.randbelow(256)}"

    def at(self, services: Services) -> Addresses:
        """Where the tests reach the services: those with faults at their proxies."""
        found = addresses.on_network(services.stack.services) if self._network else services.addresses()
        proxies = {one.service: self._address(number) for number, one in enumerate(self._wanted.faults)}
        if self._network:  # there the names lead to the proxies
            return found
        return {
            name: {port: (proxies[name], port) for port in ends} if name in proxies else ends
            for name, ends in found.items()
        }

    @contextlib.contextmanager
    def beside(self, services: Services, command: Command) -> Iterator[Command]:
        """In its block all that is there; it gives the command as it is to be run then."""
        self._refuse_what_is_not_there()
        described = self._described(services)
        # Migrations ran in this folder before; what they may have laid there is replaced.
        atomic.write(self._folder / FILE, json.dumps(described, indent=1).encode(), mode=0o644)
        hosts = tuple(
            f"{name}:{one['address']}"
            for service, one in described["faults"].items()
            for name in _names(services.stack, service)
        )
        channel = Channel(services, self._folder, restarts=self._network) if self._channel else None
        try:
            with channel or contextlib.nullcontext():
                yield msgspec.structs.replace(command, hosts=hosts if self._network else ())
        finally:  # of a run that was stopped, too: what it has left is masked here
            self._keep_recordings(services, command.secrets)

    def _keep_recordings(self, services: Services, known: tuple[str, ...]) -> None:
        found = recordings.keep(self._folder / "result", self._wanted.record, services.stack, self._root, known)
        for line in found:
            print(f"noxlib: {line}", flush=True)

    def _refuse_what_is_not_there(self) -> None:
        if self._wanted.faults and not self._network and sys.platform != "linux":
            raise UsageError("--fault needs addresses that this system lacks", "run the tests by --place container")

    def _described(self, services: Services) -> Table:
        direct = {name: self._direct(about) for name, about in services.compose.containers().items()}
        for fault in self._wanted.faults:
            if not direct.get(fault.service):
                raise PlaceError(
                    f"no port of {fault.service} is known, so there is nothing that a proxy could be put before",
                    f"name it in the compose file: expose, below {fault.service}",
                    cause="compose",
                )
        servers = mocks.servers(services.stack.services)
        return {
            "policy": self._wanted.policy,
            "mocks": {name: self._mock(services.stack, name, port, direct[name]) for name, port in servers.items()},
            "faults": {
                one.service: {
                    "ends": direct[one.service],
                    "address": self._address(number),
                    "faults": [one.profile, one.values],
                    "asked": one.asked,
                }
                for number, one in enumerate(self._wanted.faults)
            },
            "services": {
                name: [direct[name][port] for port in addresses.ports(service) if port in direct[name]]
                for name, service in services.stack.services.items()
                if name in direct
            },
            "channel": NAME if self._channel else None,
        }

    def _direct(self, about: Table) -> addresses.Ends:
        """Where a service is reached without a proxy: on its network by its container's id, which is a name there."""
        if not self._network:
            return addresses.on_machine({"it": about})["it"]
        name, exposed = about["Id"][:ID], about["Config"].get("ExposedPorts") or {}
        tcp = (int(port.partition("/")[0]) for port in exposed if port.endswith("/tcp"))
        return {port: (name, port) for port in tcp}

    def _mock(self, stack: Stack, name: str, port: int, ends: addresses.Ends) -> Table:
        files = [file.name for file in mocks.files(stack.services[name])]
        peer: Optional[recordings.Peer] = self._wanted.record.get(name)
        at: Any = ends.get(port) or (name, port)
        return {"at": at, "files": files, "record": msgspec.structs.asdict(peer) if peer else None}

    def _address(self, number: int) -> str:
        return f"{self._prefix}.{number + 1}"


def _names(stack: Stack, service: str) -> tuple[str, ...]:
    """All names that a service has on its networks."""
    joined = (stack.services[service].get("networks") or {}).values()
    aliases = (alias for how in joined for alias in (how or {}).get("aliases") or ())
    return tuple(dict.fromkeys((service, *aliases)))
