"""The suites: what each selects by default. A project's ``[tool.noxlib.<suite>]`` overrides each value."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from noxlib.config import levels, profiles
from noxlib.config.models import Config, SuiteConfig
from noxlib.config.values import parse_size
from noxlib.errors import UsageError
from noxlib.plan import Limits
from noxlib.sessions import reruns
from noxlib.sessions.arguments import Arguments, Option
from noxlib.sessions.context import say

INTEGRATION = "tests/integration"  #: the default folder of the integration tests
LATER = ("--env-config", "--noxlib-env-config")  #: of pytest's words, where the step's own have ended
ENV_CONFIG = Option(
    "--env-config", "environment profile: local, ci, hpc_cluster, cloud_hpc or one of the project's own", "NAME"
)
#: Options of the plugin.
_SECRETS = ("ssh-password", "s3-secret", "postgres-url", "redis-url")
SECRETS = tuple(f"--{prefix}{name}" for name in _SECRETS for prefix in ("", "noxlib-"))
LEVEL = Option("--level", "which tests: basic, extended, network or a level of the project's own", "LEVEL")


class Suite(msgspec.Struct, frozen=True):
    """A suite's name, its own marker expression and what the project configured for it."""

    name: str
    select: str
    config: SuiteConfig
    args: tuple[str, ...] = ()  #: the suite's own arguments for pytest, before the project's
    env: dict[str, str] = {}  #: the suite's own environment variables, which the project's override
    script: str = ""  #: an executable of the checkout that is run instead of pytest
    root: bool = False  #: the script runs as root
    reruns: dict[str, Any] = {}  #: of new tests, as ``noxlib.plan.Task`` has it
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
            disk=parse_size(own.disk) if own.disk else None,
            devices=own.devices,
        )


def unit(config: Config, _arguments: Arguments) -> Suite:
    """The unit tests: all but those that need services or a machine of their own."""
    return _suite("unit", "not integration and not vmtest", config.unit)


def compose_integration(config: Config, arguments: Arguments) -> Suite:
    """The tests that need the services of the project's compose file. Raises NoxlibError for an unknown profile."""
    found = _suite("compose_integration", "integration", config.compose_integration)
    return msgspec.structs.replace(found, profile=profile(config, arguments))


def integration(root: Path, config: Config, arguments: Arguments) -> Suite:
    """The integration tests of one level, under the environment profile of this run.

    They are those of ``tests/integration`` where there is such a folder, else those with the marker ``integration``.

    Raises:
        NoxlibError: there is no such level or profile.
    """
    own = config.integration
    name, level = levels.choose(own, arguments["level"])
    folder = () if own.paths or not (root / INTEGRATION).is_dir() else (INTEGRATION,)
    which = ("" if own.paths or folder else "integration") if own.select is None else own.select
    select = f"({which}) and ({level.select})" if which and level.select else which or level.select
    return Suite(
        name="integration",
        select=select,
        config=msgspec.structs.replace(own, paths=own.paths or folder, timeout=level.timeout),
        args=level.args,
        profile=profile(config, arguments, level=name, test_timeout=level.test_timeout),
        reruns=reruns.of_new_tests(root, "integration", level.new_test_runs),
    )


def profile(
    config: Config, arguments: Arguments, *, level: str = "", test_timeout: float = levels.TEST_TIMEOUT
) -> dict[str, Any]:
    """The environment profile of a suite, as the plugin reads it; the user is told which, and why.

    Args:
        config: The project's configuration.
        arguments: The step's, ``ENV_CONFIG`` among its options.
        level: Name of the level.
        test_timeout: Seconds for each phase of a test, before the profile multiplies them.
    """
    _refuse_secrets(arguments.rest)
    chosen = profiles.choose(config, arguments["env_config"])
    later = any(word.partition("=")[0] in LATER for word in arguments.rest)  # the tests' own head says which holds
    if not arguments["dry_run"] and not later:
        say(f"noxlib: environment {chosen.name}: {chosen.reason}")
    found: dict[str, Any] = msgspec.to_builtins(chosen)
    own = {name: msgspec.to_builtins(other) for name, other in profiles.configured(config).items()}
    return {**found, "level": level, "test_timeout": test_timeout, **({"environments": own} if own else {})}


def _refuse_secrets(words: tuple[str, ...]) -> None:
    """A secret among the arguments would stand in the plan and the record, and be seen by all on this machine."""
    for word, following in zip(words, (*words[1:], "")):
        option, equals, text = word.partition("=")
        if option in SECRETS and not (text if equals else following).startswith(("env:", "file:")):
            raise UsageError(
                f"{option} takes no secret, but where it is to be found", f"{option}=env:NAME, or file:PATH"
            )


def _suite(name: str, select: str, config: SuiteConfig) -> Suite:
    return Suite(name, select if config.select is None else config.select, config)
