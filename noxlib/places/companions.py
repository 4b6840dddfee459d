"""What goes on beside the tests of a stack: mock peers that are watched or record, faults, a channel to the services.

``inside/stack.py`` carries it out, and is told what by a file beside the task.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import atomic
from noxlib.engines.imageinfo import tcp_ports
from noxlib.places import addresses, mocks, recordings, service_faults, sidecar_addresses
from noxlib.places.service_channel import NAME, Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from noxlib.places.host import Command
    from noxlib.places.services import Services
    from noxlib.places.sidecar_addresses import Containers
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

    @contextlib.contextmanager
    def beside(self, services: Services, command: Command) -> Iterator[Command]:
        """In its block all that is there; it gives the command as it is to be run then."""
        containers = services.compose.containers()
        described = self._described(services.stack, containers)
        # Migrations ran in this folder before; what they may have laid there is replaced.
        atomic.write(self._folder / FILE, json.dumps(described, indent=1).encode(), mode=0o600)
        hosts = sidecar_addresses.tests_hosts(services.stack, containers) if self._network else ()
        channel = Channel(services, self._folder, restarts=self._network) if self._channel else None
        try:
            with channel or contextlib.nullcontext():
                yield msgspec.structs.replace(command, hosts=hosts)
        finally:  # of a run that was stopped, too: what it has left is masked here
            self._keep_recordings(services, command.secrets)

    def _keep_recordings(self, services: Services, known: tuple[str, ...]) -> None:
        found = recordings.keep(self._folder / "result", self._wanted.record, services.stack, self._root, known)
        for line in found:
            print(f"noxlib: {line}", flush=True)

    def _described(self, stack: Stack, containers: Containers) -> Table:
        direct = {name: self._direct(about) for name, about in containers.items()}
        servers = mocks.servers(stack.services)
        return {
            "policy": self._wanted.policy,
            "mocks": {name: self._mock(stack, name, port, direct[name]) for name, port in servers.items()},
            "faults": {one.service: self._fault(stack, one, containers) for one in self._wanted.faults},
            "services": {
                name: [direct[name][port] for port in addresses.ports(service) if port in direct[name]]
                for name, service in stack.services.items()
                if name in direct
            },
            "channel": NAME if self._channel else None,
        }

    def _fault(self, stack: Stack, fault: service_faults.Fault, containers: Containers) -> Table:
        about = containers[sidecar_addresses.name_of(fault.service)]
        told = sidecar_addresses.told(about)
        if self._network:
            control = (sidecar_addresses.address(stack, fault.service, containers), told.control)
        else:
            control = addresses.on_machine({"it": about})["it"][told.control]
        return {
            "control": control,
            "token": told.token,
            "ports": told.ports,
            "faults": [fault.profile, fault.values],
            "asked": fault.asked,
        }

    def _direct(self, about: Table) -> addresses.Ends:
        """Where a service is reached without a proxy: on its network by its container's id, which is a name there."""
        if not self._network:
            return addresses.on_machine({"it": about})["it"]
        return {port: (about["Id"][:ID], port) for port in tcp_ports(about["Config"])}

    def _mock(self, stack: Stack, name: str, port: int, ends: addresses.Ends) -> Table:
        files = [file.name for file in mocks.files(stack.services[name])]
        peer: Optional[recordings.Peer] = self._wanted.record.get(name)
        at: Any = ends.get(port) or (name, port)
        return {"at": at, "files": files, "record": msgspec.structs.asdict(peer) if peer else None}
