"""A project's own files, parsed on first use: TOML and INI as dictionaries, errors with file and line."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from noxlib.config.setup_py import SetupPy, read_setup_py
from noxlib.errors import ConfigError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

Ini = Mapping[str, Mapping[str, str]]


def read_text(path: Path) -> str:
    """The file's text, empty where there is no such file.

    Raises:
        ConfigError: it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path.name}: line {line} is not UTF-8", f"save {path} as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path.name} cannot be read: {error.strerror}", f"make {path} a readable file") from None


def read_toml(path: Path) -> dict[str, Any]:
    """The file as a dictionary, empty where there is no such file.

    Raises:
        ConfigError: it is not valid TOML; the text names file, line and reason.
    """
    try:
        data: dict[str, Any] = tomllib.loads(read_text(path))
    except tomllib.TOMLDecodeError as error:
        reason, place = _split_place(str(error))
        raise ConfigError(f"{path.name}: {place}: not valid TOML: {reason}", f"correct {path} there") from None
    except RecursionError:
        raise ConfigError(f"{path.name}: nested too deeply to be read", f"simplify {path}") from None
    return data


def _split_place(message: str) -> tuple[str, str]:
    """Take apart what tomllib writes: "reason (at line 3, column 5)" or "reason (at end of document)"."""
    found = re.fullmatch(r"(.*) \(at (.*)\)", message, re.DOTALL)
    return (found[1], found[2]) if found else (message, "somewhere")


def read_ini(path: Path) -> Ini:
    """The file's sections, empty where there is no such file. Nothing is interpolated.

    Raises:
        ConfigError: it is not valid INI.
    """
    text = read_text(path)
    if not text:
        return {}
    import configparser  # noqa: PLC0415 - most projects have no such file

    parser = configparser.RawConfigParser(strict=False)
    try:
        parser.read_string(text, source=path.name)
    except configparser.Error as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"{path.name}: not a valid INI file: {reason}", f"correct {path}") from None
    return {name: dict(parser.items(name)) for name in parser.sections()}


class Sources:
    """The files below one root that say something of a project."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return read_toml(self.root / "pyproject.toml")

    @cached_property
    def setup_cfg(self) -> Ini:
        return read_ini(self.root / "setup.cfg")

    @cached_property
    def tox_ini(self) -> Ini:
        return read_ini(self.root / "tox.ini")

    @cached_property
    def setup_py(self) -> str:
        return read_text(self.root / "setup.py")

    @cached_property
    def setup_py_literals(self) -> SetupPy:
        return read_setup_py(self.setup_py)

    @cached_property
    def has_setup_py(self) -> bool:
        return (self.root / "setup.py").is_file()

    def table(self, *keys: str) -> dict[str, Any]:
        """A table of pyproject.toml, empty where absent.

        Raises:
            ConfigError: something else than a table stands there.
        """
        found: Any = self.pyproject
        for depth, key in enumerate(keys, 1):
            found = found.get(key, {})
            if not isinstance(found, dict):
                raise wrong_type(".".join(keys[:depth]), "a table", found)
        return found  # type: ignore[no-any-return]  # narrowed by the loop

    def strings(self, *keys: str) -> tuple[str, ...]:
        """A list of strings of pyproject.toml, empty where absent.

        Raises:
            ConfigError: something else stands there.
        """
        found = self.table(*keys[:-1]).get(keys[-1], [])
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            raise wrong_type(".".join(keys), "a list of strings", found)
        return tuple(found)

    def string(self, *keys: str) -> str:
        """A string of pyproject.toml, empty where absent.

        Raises:
            ConfigError: something else stands there.
        """
        found = self.table(*keys[:-1]).get(keys[-1], "")
        if not isinstance(found, str):
            raise wrong_type(".".join(keys), "a string", found)
        return found


def wrong_type(key: str, expected: str, found: object) -> ConfigError:
    """The error of a key of pyproject.toml that is not ours but that we read."""
    return ConfigError(f"pyproject.toml: {key}: expected {expected}, found {found!r:.80}", f"correct {key}")
