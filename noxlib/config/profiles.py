"""Environment profiles: what tests may ask of the machine they run on, and which profile holds here."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Optional

import msgspec

from noxlib.config.models import Config, EnvironmentConfig
from noxlib.errors import ConfigError, NoxlibError, UsageError
from noxlib.plan import ASKED

VARIABLE = "NOXLIB_ENV"
DEFAULT = "local"
#: What tests see of a profile, and on a cluster of their allocation.
VARIABLES = (VARIABLE, "NOXLIB_TIMEOUT_MULTIPLIER", "NOXLIB_CONCURRENT_LIMIT", "NOXLIB_HPC_NODES", "NOXLIB_HPC_TASKS")
FOLDERS = ("cache", "config", "data", "state", "temp")  #: of the fixture ``isolated_workspace``
UNSET = ("", "0", "false")  #: values of a variable that say no
#: The profiles that there are without configuration, and the variables that speak for them, the first one that is set
#: for all; what runs beside the tests reads the same file.
_TABLE = Path(__file__).resolve().parent.parent / "inside" / "profiles.json"


class Profile(msgspec.Struct, frozen=True):
    """One environment. ``timeout_multiplier`` multiplies seconds, ``memory_mb`` and ``disk_mb`` are 2**20 bytes."""

    timeout_multiplier: float
    concurrent: int  #: operations at once
    network_simulation: bool
    large_files: bool
    backends: tuple[str, ...]
    memory_mb: int
    disk_mb: int
    name: str = ""
    reason: str = ""  #: why it was taken
    aliases: dict[str, str] = {}  #: further names of our variables -> ours
    folders: dict[str, tuple[str, ...]] = {}  #: folder of an isolated workspace -> further variables for it


class _Table(msgspec.Struct, frozen=True):
    profiles: dict[str, Profile]
    detected_by: tuple[tuple[str, str], ...]  #: variable, profile


def canonical(name: str) -> str:
    """A name as profiles are compared: a hyphen equals an underscore."""
    return name.strip().replace("-", "_")


@functools.cache
def _table() -> _Table:
    return msgspec.json.decode(_TABLE.read_bytes(), type=_Table)


@functools.cache
def defaults() -> dict[str, Profile]:
    """The profiles that there are without configuration."""
    return {name: msgspec.structs.replace(profile, name=name) for name, profile in _table().profiles.items()}


def configured(config: Config) -> dict[str, Profile]:
    """The profiles that a configuration changes or adds, each with all its values.

    Raises:
        ConfigError: one inherits from a profile that there is not, or from itself, stands there twice, or has no name.
    """
    tables: dict[str, EnvironmentConfig] = {}
    for name, table in config.environments.items():
        if not re.fullmatch(r"\w+", canonical(name)):
            raise ConfigError(f"environments.{name!r}: this is no name", "take letters, digits, '-' and '_'")
        if canonical(name) in tables:
            raise ConfigError(
                f"environments.{name}: this environment stands there twice", "a hyphen equals an underscore: keep one"
            )
        tables[canonical(name)] = table
    return {name: _resolve(name, tables, ()) for name in tables}


def choose(config: Config, asked: Optional[str] = None, environ: Optional[Mapping[str, str]] = None) -> Profile:
    """The profile of this run, with the reason for it.

    Args:
        config: The project's configuration.
        asked: The value of ``--env-config``.
        environ: This process' environment by default.

    Raises:
        UsageError: there is no such profile; the nearest name is told.
        ConfigError: see ``configured``, ``aliases`` and ``folders``.
    """
    variables = os.environ if environ is None else environ
    own = configured(config)
    known = {**defaults(), **own}
    others = aliases(config)
    name, reason = _wanted(asked, variables, others)
    if canonical(name) not in known:
        raise _unknown(UsageError, f"there is no environment {name!r} ({reason})", name, tuple(known))
    return msgspec.structs.replace(known[canonical(name)], reason=reason, aliases=others, folders=folders(config))


def aliases(config: Config) -> dict[str, str]:
    """The project's own names of our variables.

    Raises:
        ConfigError: one stands for a variable that is none of them, or can be no variable.
    """
    _variables("env_aliases", config.env_aliases)
    for alias, ours in config.env_aliases.items():
        if ours not in VARIABLES:
            raise ConfigError(
                f"env_aliases.{alias}: {ours!r} is no variable that tests see", f"it is one of {', '.join(VARIABLES)}"
            )
    return config.env_aliases


def folders(config: Config) -> dict[str, tuple[str, ...]]:
    """The project's own variables for the folders of an isolated workspace.

    Raises:
        ConfigError: there is no such folder, or a name that can be no variable.
    """
    for name, variables in config.workspace.items():
        _variables(f"workspace.{name}", variables)
        if name not in FOLDERS:
            raise ConfigError(
                f"workspace.{name}: there is no such folder of a workspace", f"it is one of {', '.join(FOLDERS)}"
            )
    return config.workspace


def _variables(where: str, names: Iterable[str]) -> None:
    for name in names:
        if not re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) or name.startswith("NOXLIB_"):
            raise ConfigError(
                f"{where}: {name!r} can be no variable of the project's own",
                "take letters, digits and '_', and no name that begins with NOXLIB_",
            )


def detect(environ: Mapping[str, str]) -> tuple[str, str]:
    """The profile that the environment's variables speak for, and why."""
    for variable, name in _table().detected_by:
        if environ.get(variable, "").lower() not in UNSET:
            return name, f"detected: {variable} is set"
    return DEFAULT, "no CI and no Slurm allocation was detected"


def _wanted(asked: Optional[str], environ: Mapping[str, str], others: Mapping[str, str]) -> tuple[str, str]:
    if asked is not None:
        return asked, f"{ASKED} --env-config"
    names = (VARIABLE, *(alias for alias, ours in others.items() if ours == VARIABLE))
    named = next((name for name in names if environ.get(name)), None)
    return (environ[named], f"{ASKED} {named}") if named else detect(environ)


def _resolve(name: str, tables: Mapping[str, EnvironmentConfig], heirs: tuple[str, ...]) -> Profile:
    """A profile with all its values. ``heirs`` are those that inherit from it."""
    if name in heirs:
        way = " → ".join((*heirs, name))
        raise ConfigError(f"environments.{name}: it inherits from itself: {way}", "change one `inherits`")
    table = tables.get(name, EnvironmentConfig())
    base = canonical(table.inherits or (name if name in defaults() else DEFAULT))
    if base not in tables and base not in defaults():
        known = (*defaults(), *tables)
        raise _unknown(ConfigError, f"environments.{name}.inherits: there is no environment {base!r}", base, known)
    start = defaults().get(name) if base == name else None
    given = {key: value for key, value in msgspec.structs.asdict(table).items() if value is not None}
    given.pop("inherits", None)
    return msgspec.structs.replace(start or _resolve(base, tables, (*heirs, name)), **given, name=name)


def _unknown(kind: type[NoxlibError], what: str, name: str, known: tuple[str, ...]) -> NoxlibError:
    from noxlib.config.checks import nearest  # noqa: PLC0415 - only an error needs it

    todo = f"the environments are {', '.join(dict.fromkeys(known))}; [tool.noxlib.environments.NAME] adds one"
    wanted = canonical(name)
    begins = (other for other in known if wanted and other.startswith(wanted))
    return kind(f"{what}; did you mean {next(begins, nearest(wanted, known))}?", todo)
