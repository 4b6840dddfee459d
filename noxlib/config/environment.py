"""``NOXLIB_<KEY>`` and ``NOXLIB_<SUITE>_<KEY>``: each value of the configuration, overridden by the environment."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Optional

import msgspec

from noxlib.config.models import Config, EnvironmentConfig, LevelConfig, QuarantineConfig
from noxlib.errors import ConfigError

PREFIX = "NOXLIB_"

#: Variables of noxlib that are no configuration key.
RESERVED = frozenset(
    {
        "NOXLIB_ACCELERATOR",  # of virtual machines: kvm or tcg
        "NOXLIB_CACHE_DIR",  # folder for locks, prepared files and the ledger
        "NOXLIB_CONCURRENT_LIMIT",  # of the environment profile, set for tests
        "NOXLIB_DATA_DIR",  # folder of test data, as the tests see it
        "NOXLIB_ENV",  # environment profile
        "NOXLIB_HPC_NODES",  # of the Slurm allocation, set for tests
        "NOXLIB_HPC_TASKS",  # of the Slurm allocation, set for tests
        "NOXLIB_OFFLINE",  # ask no index and no registry
        "NOXLIB_REGISTRY_HOST",  # the registry that the next two are for
        "NOXLIB_REGISTRY_PASSWORD",
        "NOXLIB_REGISTRY_USER",
        "NOXLIB_RUN",  # name of the run, set inside a place
        "NOXLIB_SSH_CONFIG",  # ssh's configuration, instead of the user's own
        "NOXLIB_TASK",  # path of task.json, set inside a place
        "NOXLIB_TIMEOUT_MULTIPLIER",  # of the environment profile, set for tests
    }
)
#: Variables of noxlib's own test lanes, and those that tell tests where services are reached.
RESERVED_PREFIX = ("NOXLIB_TESTBED_", "NOXLIB_SERVICE_")

Path = tuple[str, ...]


#: Keys whose value is a table of tables, by names that the project chooses.
NAMED: dict[Path, type[msgspec.Struct]] = {
    ("environments",): EnvironmentConfig,
    ("integration", "levels"): LevelConfig,
    ("quarantine",): QuarantineConfig,
}


def tables() -> dict[str, type[msgspec.Struct]]:
    """The keys that hold a table with keys of its own: ``unit``, ``integration``; and what they hold."""
    pairs = zip(Config.__struct_fields__, Config.__struct_defaults__)
    return {name: type(default) for name, default in pairs if isinstance(default, msgspec.Struct)}


def struct_of(path: Path) -> Optional[type[msgspec.Struct]]:
    """What a table may hold; None for what is no table with keys of ours. The empty path is the whole configuration.

    >>> struct_of(("environments", "ci")).__name__
    'EnvironmentConfig'
    """
    if len(path) < 2:  # noqa: PLR2004 - the configuration itself and its tables
        return tables().get(path[0]) if path else Config
    return NAMED.get(path[:-1])


def keys() -> dict[str, Path]:
    """Variable -> the key that it overrides: ``NOXLIB_UNIT_TIMEOUT`` -> ``("unit", "timeout")``."""
    found = tables()
    paths: list[Path] = [(name,) for name in Config.__struct_fields__ if name not in found]
    paths += [(table, name) for table, struct in found.items() for name in struct.__struct_fields__]
    return {PREFIX + "_".join(path).upper(): path for path in paths if path not in NAMED}


def read_environment(environ: Mapping[str, str]) -> dict[str, tuple[Path, Any]]:
    """The overrides: variable -> (key, value). An empty variable counts as unset; an empty list is ``[]``.

    Raises:
        ConfigError: a variable is unknown, or its text is not of the key's kind.
    """
    given = {name: text for name, text in environ.items() if name.startswith(PREFIX) and name not in RESERVED}
    given = {name: text for name, text in given.items() if not name.startswith(RESERVED_PREFIX)}
    if not given:
        return {}
    known = keys()
    for name in sorted(given):
        if name not in known:
            raise _unknown(name, (*known, *RESERVED))
        if not _is_text(given[name]):
            raise ConfigError(f"environment: {name} holds bytes that are no UTF-8", f"correct or unset {name}")
    return {name: (known[name], _value(name, annotation(known[name]), text)) for name, text in given.items() if text}


def _is_text(value: str) -> bool:
    """Python hands bytes of the environment that are no UTF-8 on as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def annotation(path: Path) -> str:
    """A key's type as written in the models, without Optional: ``tuple[str, ...]``."""
    struct = struct_of(path[:-1]) or Config
    inherited = (getattr(part, "__annotations__", {}) for part in struct.__mro__)
    text = str(next((own[path[-1]] for own in inherited if path[-1] in own), "str"))
    return text[len("Optional[") : -1] if text.startswith("Optional[") else text


def _unknown(name: str, known: tuple[str, ...]) -> ConfigError:
    import difflib  # noqa: PLC0415 - only an error needs it

    near = difflib.get_close_matches(name, known, 1, 0)
    return ConfigError(
        f"environment: {name} is no variable of noxlib; did you mean {near[0]}?", f"rename or unset {name}"
    )


def _value(name: str, kind: str, text: str) -> Any:
    """Lists are comma separated and tables ``k=v,k=v``, or either is JSON; numbers and booleans are JSON."""
    if kind.startswith("tuple") and not text.lstrip().startswith("["):
        return [item.strip() for item in text.split(",") if item.strip()]
    if kind.startswith("dict") and not text.lstrip().startswith("{"):
        return dict(_pair(name, item) for item in text.split(",") if item.strip())
    if kind.startswith(("tuple", "dict", "float", "int")):
        return _json(name, text)
    if kind == "bool":
        return _json(name, text.strip().lower())
    return text


def _pair(name: str, item: str) -> tuple[str, str]:
    key, equals, value = item.partition("=")
    if not equals:
        raise ConfigError(
            f"environment: {name}: expected key=value pairs, found {item!r:.80}",
            f"write {name}=key=value,key=value, or JSON where a value holds a comma",
        )
    return key.strip(), value.strip()


def _json(name: str, text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        expected = describe(annotation(keys()[name]))
        raise ConfigError(
            f"environment: {name}: expected {expected}, found {text!r:.80}", f"correct or unset {name}"
        ) from None


def choices(kind: str) -> tuple[str, ...]:
    """The words that a Literal names; none for another type."""
    return tuple(re.findall(r"['\"]([^'\"]+)['\"]", kind))


def describe(kind: str) -> str:
    """A type in words, as errors name it."""
    if choices(kind):
        return ("a list of " if kind.startswith("tuple") else "one of ") + ", ".join(choices(kind))
    words = {
        "tuple[str, ...]": "a list of strings",
        "dict[str, str]": "a table of strings",
        "dict[str, tuple[str, ...]]": "a table of lists of strings",
        "float": "a number",
        "int": "a whole number",
        "bool": "true or false",
        "str": "a string",
    }
    return words.get(kind, "a table")
