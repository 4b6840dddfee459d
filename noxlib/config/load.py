"""``[tool.noxlib]`` or ``noxlib.toml``, and the environment over it, as one frozen Config."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib.config.environment import NAMED, annotation, choices, describe, read_environment, struct_of
from noxlib.config.files import read_toml
from noxlib.config.models import Config, SuiteConfig
from noxlib.errors import ConfigError

ROOT_MARKS = ("pyproject.toml", "setup.py", "setup.cfg", "noxfile.py", ".git")

Key = tuple[str, ...]


class Origin(msgspec.Struct, frozen=True):
    """Where the configuration was written, so that an error can name the place."""

    file: str
    prefix: str  #: ``tool.noxlib.``, or nothing in noxlib.toml
    variables: dict[Key, str]  #: key -> the variable that overrides it

    def name(self, key: Key) -> str:
        """The key as it is written in the file: ``tool.noxlib.unit.timeout``."""
        return (self.prefix + ".".join(key)).rstrip(".")

    def where(self, key: Key) -> str:
        """File and key, or the variable."""
        variable = self.variables.get(key)
        return f"environment: {variable}" if variable else f"{self.file}: {self.name(key)}"

    def error(self, key: Key, expected: str, found: object, nearest: str = "") -> ConfigError:
        """What was expected and what was found; where to correct it."""
        hint = f"; did you mean {nearest!r}?" if nearest else ""
        variable = self.variables.get(key)
        todo = f"correct or unset {variable}" if variable else f"correct {self.name(key)} in {self.file}"
        return ConfigError(f"{self.where(key)}: expected {expected}, found {_short(found)}{hint}", todo)


def find_root(start: Path) -> Path:
    """The nearest folder, from ``start`` upwards, that looks like a project's; ``start`` where none does."""
    start = start.resolve()
    for folder in (start, *start.parents):
        if any((folder / mark).exists() for mark in ROOT_MARKS):
            return folder
    return start


def load_config(root: Path, environ: Optional[Mapping[str, str]] = None) -> Config:
    """The configuration of the project at ``root``; ``environ`` is this process' environment by default.

    Raises:
        ConfigError: something is unknown, of a wrong type or out of its range; nothing was started.
    """
    overrides = read_environment(os.environ if environ is None else environ)
    table, file, prefix = _table(root)
    origin = Origin(file, prefix, {key: name for name, (key, _) in overrides.items()})
    _refuse_unknown(table, origin)
    config = _convert(_merge(table, dict(overrides.values())), origin)
    _check(config, root, origin)
    return config


def _table(root: Path) -> tuple[dict[str, Any], str, str]:
    """The table, its file and the prefix of its keys."""
    own = read_toml(root / "noxlib.toml")
    tool = read_toml(root / "pyproject.toml").get("tool", {})
    table = tool.get("noxlib", {}) if isinstance(tool, dict) else tool
    if not isinstance(table, dict):
        raise Origin("pyproject.toml", "tool.noxlib", {}).error((), "a table", table)
    if own and table:
        raise ConfigError(
            "both noxlib.toml and pyproject.toml's [tool.noxlib] configure noxlib",
            "keep one of them and move the other's keys there",
        )
    return (own, "noxlib.toml", "") if own else (table, "pyproject.toml", "tool.noxlib.")


def _refuse_unknown(table: dict[str, Any], origin: Origin, path: Key = ()) -> None:
    """Every key at every level; ``path`` is the table's own."""
    struct = struct_of(path)
    for name, value in table.items():
        key = (*path, name)
        if struct is not None:
            _refuse_unless_known(key, struct.__struct_fields__, origin)
        if isinstance(value, dict) and (key in NAMED or struct_of(key) is not None):
            _refuse_unknown(value, origin, key)


def _refuse_unless_known(key: Key, known: tuple[str, ...], origin: Origin) -> None:
    if key[-1] in known:
        return
    from noxlib.config.checks import nearest  # noqa: PLC0415 - only an error needs it

    near = (*key[:-1], nearest(key[-1], known))
    if len(key) == 1 and key[0] in SuiteConfig.__struct_fields__:
        near = ("unit", key[0])  # a suite's key, written one level too high
    raise ConfigError(
        f"{origin.where(key)} is no key of noxlib; did you mean {origin.name(near)}?",
        f"rename or remove it in {origin.file}; `python -m noxlib schema` lists every key",
    )


def _merge(table: dict[str, Any], overrides: dict[Key, Any]) -> dict[str, Any]:
    merged: dict[str, Any] = _days_as_text(table)
    for key, value in overrides.items():
        if len(key) == 1:
            merged[key[0]] = value
            continue
        suite = merged.get(key[0], {})
        merged[key[0]] = {**suite, key[1]: value} if isinstance(suite, dict) else suite
    return merged


def _days_as_text(value: Any) -> Any:
    """TOML has dates of its own, and a datetime is one as well."""
    if isinstance(value, dict):
        return {key: _days_as_text(inner) for key, inner in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def _convert(merged: dict[str, Any], origin: Origin) -> Config:
    try:
        return msgspec.convert(merged, Config)
    except msgspec.ValidationError as error:
        place = str(error).rpartition("`$")[2]
        key = tuple(re.findall(r"\.(\w+)|(\[\.\.\.\])", place))
        raise _wrong_type(_named(tuple(map("".join, key)), merged), merged, origin) from None


def _named(place: Key, merged: dict[str, Any]) -> Key:
    """The key of a wrong value: msgspec writes ``[...]`` for a name that the project chose."""
    if "[...]" not in place or place[: place.index("[...]")] not in NAMED:
        return tuple(part for part in place if part != "[...]")
    at = place.index("[...]")
    names = _at(merged, place[:at])
    wrong = (name for name, value in names.items() if not _converts(value, place[:at]))
    return (*place[:at], next(wrong), *(part for part in place[at + 1 :] if part != "[...]"))


def _converts(value: object, path: Key) -> bool:
    try:
        msgspec.convert(value, NAMED[path])
    except msgspec.ValidationError:
        return False
    return True


def _at(merged: Any, key: Key) -> Any:
    for name in key:
        merged = merged[name]
    return merged


def _wrong_type(key: Key, merged: dict[str, Any], origin: Origin) -> ConfigError:
    from noxlib.config.checks import nearest  # noqa: PLC0415 - only an error needs it

    found = _at(merged, key)
    struct = struct_of(key[:-1])
    known = struct is not None and key[-1] in struct.__struct_fields__
    kind = annotation(key) if known else "table" if key[:-1] in NAMED else "str"
    expected = describe(kind)
    if key == ("pythons",):
        expected += ' such as ["3.9", "3.10"], each in quotes'
    words = choices(kind)
    wrong = next((item for item in found if item not in words), "") if words and isinstance(found, list) else found
    return origin.error(key, expected, found, nearest(str(wrong), words))


def _check(config: Config, root: Path, origin: Origin) -> None:
    if config == Config():
        return
    from noxlib.config.checks import problems  # noqa: PLC0415 - nothing to check without configuration

    for problem in problems(config, root):
        raise origin.error(problem.key, problem.expected, problem.found, problem.nearest)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - one line stays one line
