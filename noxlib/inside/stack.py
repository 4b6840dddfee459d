"""The services beside the tests, as the place tells of them in ``stack.json`` beside the task; absent elsewhere.

An address is a pair of host and port. ``mocks``: by service its address ``at``, names of its ``files``, and ``record``:
``host``, ``port`` and ``scheme`` of a real peer, or null.
``policy``: what comes of a request that no mock peer expects, ``report`` or ``fail``.
``faults``: by service what ``bad_network.Session`` takes.
``services``: by service the addresses at which it says that it listens.
``channel``: name of the socket beside the task through which services are killed, paused and restarted; or null.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from . import tasks

if TYPE_CHECKING:
    from . import bad_network
    from .mock_peers import Peers
    from .mock_server import MockServer

FILE = "stack.json"
RECORDED = "mocks"  #: folder of the result in which the recorded expectations are left
active: Beside | None = None  #: in the process that runs pytest, or hands the tests to workers


def folder() -> str:
    """The folder of the task, and so of what the place tells."""
    return os.path.dirname(os.path.abspath(os.environ.get("NOXLIB_TASK", ".")))


def known() -> dict[str, Any] | None:
    """What the place tells; None where there are no services, or no run."""
    path = os.path.join(folder(), FILE)
    if tasks.current() is None or not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as stream:
        found: dict[str, Any] = json.load(stream)
    return found


def needed() -> dict[str, Any]:
    """What the place tells, for a fixture; the test fails where there are no services."""
    import pytest  # noqa: PLC0415 - coverage starts before it is imported

    found = known()
    if found is None:
        pytest.fail("there are no services here: it needs nox -s compose_integration", pytrace=False)
    return found


def mock_servers(stack: dict[str, Any]) -> dict[str, MockServer]:
    """The MockServers of a stack by the service's name."""
    from .mock_server import MockServer  # noqa: PLC0415 - http.client is for those who have services

    return {name: MockServer(name, *one["at"]) for name, one in stack["mocks"].items()}


def begin() -> None:
    """Before pytest: what goes on beside the tests, where there are services.

    Raises:
        OSError: a mock peer or a proxy does not answer.
        ValueError: the place tells of faults that there are not.
    """
    global active  # noqa: PLW0603 - the plugin is loaded by name, and finds it here
    found = known()
    if found is not None:
        active = Beside(found)


def end(result: str) -> dict[str, Any]:
    """After the tests: what belongs into result.json."""
    return active.end(result) if active else {}


class Beside:
    """What goes on beside the tests: faults, recordings, a look at the mock peers."""

    def __init__(self, stack: dict[str, Any]) -> None:
        self.stack = stack
        self.peers: Peers | None = None
        self.faults: bad_network.Session | None = None
        self.recording = {name: one["record"] for name, one in stack["mocks"].items() if one["record"]}
        if self.recording:
            from . import mock_recording  # noqa: PLC0415

            for name, peer in self.recording.items():
                mock_recording.forward(mock_servers(stack)[name], peer)
        if stack["faults"]:
            from . import bad_network  # noqa: PLC0415

            self.faults = bad_network.Session(stack["faults"])

    def watch(self, config: Any) -> None:
        """Look at the mock peers after each test."""
        from . import mock_peers  # noqa: PLC0415

        servers = {name: one for name, one in mock_servers(self.stack).items() if name not in self.recording}
        files = {name: one["files"] for name, one in self.stack["mocks"].items()}
        if servers:
            self.peers = mock_peers.Peers(servers, files, fail=self.stack["policy"] == "fail")
            config.pluginmanager.register(self.peers, "noxlib-mock-peers")

    def end(self, result: str) -> dict[str, Any]:
        """Write what was recorded, end the faults."""
        found: dict[str, Any] = {"mocks": self.peers.result()} if self.peers else {}
        if self.faults is not None:
            found["faults"] = self.faults.result()
            self.faults.close()
        if self.recording:
            self.keep(os.path.join(result, RECORDED))
        return found

    def keep(self, place: str) -> None:
        """Write what was recorded."""
        from . import mock_recording  # noqa: PLC0415

        for name in self.recording:
            try:
                mock_recording.keep(mock_servers(self.stack)[name], place)
            except (OSError, ValueError) as error:
                print(f"noxlib: nothing is recorded of {name}: {error}", flush=True)
