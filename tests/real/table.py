"""The table of real projects: which sdist, what noxlib is told, what the project itself says how to test it."""

from __future__ import annotations

import functools
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import msgspec

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

TABLE = Path(__file__).with_name("table.toml")
MOST_LINES = 10  #: of configuration, for one project


class Difference(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tests whose outcome may differ between a place and the plain environment, and why."""

    tests: str  #: shell pattern of test ids
    reason: str
    places: tuple[str, ...] = ("container", "venv")

    def explains(self, test: str, place: str) -> bool:
        return place in self.places and fnmatchcase(test, self.tests)


class RealProject(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row. ``install`` and ``pytest`` are the project's own recipe, run in the unpacked folder."""

    name: str
    version: str
    sha256: str  #: of the sdist
    back_end: str
    pythons: tuple[str, ...]
    exclude_newer: str  #: the first line of the configuration, and an option of the plain recipe
    tests: int  #: it has at least so many on each Python
    install: tuple[tuple[str, ...], ...]  #: arguments of ``pip install``, one call after the other
    prepare: tuple[tuple[str, ...], ...] = ()  #: arguments of uv, before anything is installed
    pytest: tuple[str, ...] = ()  #: arguments of pytest
    environment: dict[str, str] = {}  #: of pytest
    configuration: tuple[str, ...] = ()  #: further lines of noxlib.toml
    differences: tuple[Difference, ...] = ()
    late: bool = False  #: chosen after the code was done

    @property
    def lines(self) -> tuple[str, ...]:
        """The whole configuration that noxlib needs for it."""
        return (f'exclude_newer = "{self.exclude_newer}"', *self.configuration)


@functools.cache
def projects() -> tuple[RealProject, ...]:
    """Every row, in the table's order.

    Raises:
        msgspec.ValidationError: The table is malformed.
    """
    rows = tomllib.loads(TABLE.read_text(encoding="utf-8"))["project"]
    return msgspec.convert(rows, tuple[RealProject, ...])
