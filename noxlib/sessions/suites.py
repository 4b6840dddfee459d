"""The suites: what each selects by default. A project's ``[tool.noxlib.<suite>]`` overrides each value."""

from __future__ import annotations

from typing import Any

import msgspec

from noxlib.config.models import Config, SuiteConfig
from noxlib.config.values import parse_size
from noxlib.plan import Limits
from noxlib.sessions.arguments import Arguments


class Suite(msgspec.Struct, frozen=True):
    """A suite's name, its own marker expression and what the project configured for it."""

    name: str
    select: str
    config: SuiteConfig
    args: tuple[str, ...] = ()  #: the suite's own arguments for pytest, before the project's
    env: dict[str, str] = {}  #: the suite's own environment variables, which the project's override
    script: str = ""  #: an executable of the checkout that is run instead of pytest
    profile: dict[str, Any] = {}  #: the environment profile, as ``noxlib.config.profiles.Profile`` has it

    @property
    def limits(self) -> Limits:
        """Limits in bytes and seconds, from the configuration's texts."""
        own = self.config
        return Limits(
            timeout=own.timeout,
            memory=parse_size(own.memory) if own.memory else None,
            cpus=own.cpus,
            network=own.network,
            shm_size=parse_size(own.shm_size) if own.shm_size else None,
            devices=own.devices,
        )


def unit(config: Config, _arguments: Arguments) -> Suite:
    """The unit tests: all but those that need services or a machine of their own."""
    return _suite("unit", "not integration and not vmtest", config.unit)


def _suite(name: str, select: str, config: SuiteConfig) -> Suite:
    return Suite(name, select if config.select is None else config.select, config)
