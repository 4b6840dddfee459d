"""The place ``compose``: a host with a stack of services beside it that are ready before it runs anything."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Callable

import msgspec

from noxlib.places.host import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.places.companions import Companions
    from noxlib.places.host import Command, Exit, Host
    from noxlib.places.services import Services


class Beside:
    """Host: another one, with services.

    Args:
        services: The stack.
        host: Where the tests run: a container on the services' network, or an environment of this machine.
        companions: What goes on beside the tests.
        variables: What its commands get beside their own, once the services are ready.
    """

    name = "compose"

    def __init__(
        self,
        services: Services,
        host: Host,
        companions: Companions,
        variables: Callable[[Services], Mapping[str, str]] = lambda _: {},
    ) -> None:
        self._companions = companions
        self.workspace = host.workspace
        self.python = host.python
        self.inside = host.inside
        self.scratch = host.scratch
        self.facts = Facts()
        self._services = services
        self._host = host
        self._variables = variables
        self._entered = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as entered:
            entered.enter_context(self._host)
            entered.enter_context(self._services)
            self._entered = entered.pop_all()
        self.facts = self._services.facts
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._entered.close()

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder."""
        self._host.put(source, target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        self._host.get(source, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._host.write_back(patterns, checkout)

    def run(self, command: Command) -> Exit:
        """Run a command beside the services; their secrets are masked in its output.

        Raises:
            EngineError: The engine fails; cause ``lost`` where it stopped answering.
        """
        told = msgspec.structs.replace(
            command,
            environment={**self._variables(self._services), **command.environment},
            secrets=(*command.secrets, *self._services.stack.secrets),
        )
        with self._companions.beside(self._services, told) as prepared:
            return self._host.run(prepared)
