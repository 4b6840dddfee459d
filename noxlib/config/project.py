"""What is known of a project: its configuration and what was detected, each with where it was found."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Optional

import msgspec

from noxlib.config import fixtures
from noxlib.config.models import Config


class Fact(msgspec.Struct, frozen=True):
    """One detected value, and from where: shown by ``nox -s doctor``."""

    name: str
    value: str
    origin: str


class BuildSystem(msgspec.Struct, frozen=True):
    """``[build-system]``, or setuptools' legacy back end where only a setup.py is there."""

    requires: tuple[str, ...]
    backend: str
    backend_path: tuple[str, ...] = ()


class Project(msgspec.Struct, frozen=True):
    """A project as noxlib sees it. ``root`` is absolute; other paths are relative to it, POSIX style."""

    root: Path
    name: str  #: normalised distribution name (PEP 503), or the folder's name
    config: Config
    pythons: tuple[str, ...]
    extras: tuple[str, ...]
    groups: tuple[str, ...]
    requirements: tuple[str, ...]  #: requirements files
    group_requirements: tuple[str, ...]  #: requirement strings of poetry's and pdm's own tables, which uv does not read
    test_paths: tuple[str, ...]  #: empty where pytest's own testpaths decide
    build: Optional[BuildSystem]  #: None: nothing to build, the root goes on sys.path
    lock_kind: Literal["none", "uv.lock", "pylock", "poetry.lock", "pdm.lock", "requirements"]
    lock_files: dict[str, str]  #: Python -> the project's own lock file for it
    dockerfile: Optional[str]  #: the project's own Dockerfile.test
    is_package: bool  #: pyproject [project], poetry or setup.py metadata is there, so its dependencies count
    coverage: bool  #: the project configures coverage
    metadata: dict[str, Any]  #: the parsed pyproject.toml
    facts: tuple[Fact, ...]

    @property
    def packages(self) -> tuple[str, ...]:
        """The requirements that are stated to noxlib alone: the configured ones, and those of its fixtures."""
        return (*self.config.packages, *fixtures.requirements(self.config.fixtures))
