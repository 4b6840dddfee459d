"""The levels of the integration tests: what each runs, and within which limits."""

from __future__ import annotations

from typing import Optional

import msgspec

from noxlib.config.models import IntegrationConfig, LevelConfig
from noxlib.errors import ConfigError, UsageError

TEST_TIMEOUT = 30.0  #: seconds for each phase of a test, before the environment multiplies them


class Level(msgspec.Struct, frozen=True):
    """What one level of the integration tests runs. Times in seconds."""

    select: str
    args: tuple[str, ...] = ()
    timeout: float = 3600.0  #: of the whole suite
    test_timeout: float = TEST_TIMEOUT  #: of each phase of a test
    new_test_runs: int = 1  #: of a test that the history does not know as stable


LEVELS = {
    "basic": Level("not slow and not network", ("--maxfail=5", "--tb=short"), 15 * 60.0),
    "extended": Level("slow or performance", ("--maxfail=3",), 45 * 60.0, 300.0, 5),
    "network": Level("network", (), 20 * 60.0),
}


def choose(config: IntegrationConfig, asked: Optional[str]) -> tuple[str, Level]:
    """The name and the values of a level: of the one that is asked for, or of the configured one.

    Raises:
        UsageError: there is no such level; the nearest name is told.
        ConfigError: the configuration names a level that there is not, or adds one that selects nothing.
    """
    known = (*LEVELS, *(name for name in config.levels if name not in LEVELS))
    name = config.level if asked is None else asked
    if name not in known:
        from noxlib.config.checks import nearest  # noqa: PLC0415 - only an error needs it

        kind = UsageError if asked is not None else ConfigError
        raise kind(
            f"there is no level {name!r} of integration tests; did you mean {nearest(name, known)}?",
            f"the levels are {', '.join(known)}; [tool.noxlib.integration.levels.NAME] adds one",
        )
    return name, _level(name, config)


def _level(name: str, config: IntegrationConfig) -> Level:
    own = config.levels.get(name, LevelConfig())
    default = LEVELS.get(name)
    if default is None and own.select is None:
        raise ConfigError(
            f"the level {name!r} of integration tests selects nothing",
            f'write select = "…", a marker expression, into [tool.noxlib.integration.levels.{name}]',
        )
    base = default or Level("")
    given = {key: value for key, value in msgspec.structs.asdict(own).items() if value is not None}
    if own.timeout is None:
        given["timeout"] = min(base.timeout, config.timeout)
    return msgspec.structs.replace(base, **given)
