"""A small program in the testground, on the services' network: it tells which of them listen at their ports."""

from __future__ import annotations

import json
import secrets
from typing import TYPE_CHECKING, Callable, Optional

from noxlib.errors import EngineError
from noxlib.places import box, stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger
    from noxlib.places.stack import Stack

#: Prints the name of each service once it listens.
PROGRAM = """
import json, socket, sys, time
waiting = json.loads(sys.argv[1])
while waiting:
    for name, ports in list(waiting.items()):
        try:
            for port in ports:
                socket.create_connection((name, port), 2).close()
        except OSError:
            continue
        del waiting[name]
        print(name, flush=True)
    time.sleep(0.05)
"""


def targets(services: Stack) -> dict[str, tuple[int, ...]]:
    """The services that nobody asks for their health, and the ports at which they must listen."""
    waited = ((name, one) for name, one in services.services.items() if name not in services.awaited)
    unasked = {name: stack.ports(one) for name, one in waited if not stack.has_health(one)}
    return {name: ports for name, ports in unasked.items() if ports}


def argv(python: str, wanted: Mapping[str, tuple[int, ...]]) -> tuple[str, ...]:
    """The program's command."""
    return (python, "-u", "-c", PROGRAM, json.dumps(wanted))


class Probe:
    """A context manager that gives a function: the names of the services that listen.

    The function's first call starts the program in a container, which goes with the block.
    """

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
        self._body = box.Attachment(networks=networks).join(
            {
                "Image": image,
                "Entrypoint": list(argv(python, targets(services))),
                "Labels": dict(labels),
                "HostConfig": {"Init": True},
            }
        )
        self._entry: Optional[Entry] = None

    def __enter__(self) -> Callable[[], frozenset[str]]:
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
        return frozenset(said.split())
