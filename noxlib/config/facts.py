"""What was detected and from where, as the lines that ``nox -s doctor`` shows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Optional

from noxlib.config.dependencies import CONFIGURED, Chosen
from noxlib.config.files import Sources
from noxlib.config.found import Found
from noxlib.config.locks import LockKind
from noxlib.config.models import Config
from noxlib.config.project import BuildSystem, Fact


class Detected(NamedTuple):
    """All that the project's files say."""

    name: tuple[str, str]
    package: bool
    pythons: Found
    chosen: Chosen
    foreign: tuple[str, ...]  #: requirement strings of poetry's and pdm's own tables
    unread: tuple[str, ...]  #: a line to write for each that has none
    test_paths: tuple[str, ...]
    collected: Found
    build: Optional[BuildSystem]
    coverage: Found
    lock: tuple[LockKind, dict[str, str]]
    dockerfile: Optional[str]
    conda: tuple[str, ...]


def facts(found: Detected, config: Config, sources: Sources) -> Iterator[Fact]:
    """One fact for each thing that was looked for."""
    yield Fact("name", *found.name)
    yield from _dependencies(found)
    paths = Found(config.unit.paths, "tool.noxlib.unit") if config.unit.paths else found.collected
    yield _fact("test paths", paths)
    yield Fact("coverage", "yes" if found.coverage.values else "no", found.coverage.origin)
    yield Fact("lock", found.lock[0], ", ".join(dict.fromkeys(found.lock[1].values())) or "none is kept")
    yield _build(found, sources)
    if found.dockerfile:
        yield Fact("dockerfile", found.dockerfile, "name of the file")
    for name in found.conda:
        yield Fact("conda", "not used", name)
    if sources.has_setup_py and not sources.setup_py_literals.readable:
        yield Fact("setup.py", "not read: it is no Python 3", "setup.py")


def _dependencies(found: Detected) -> Iterator[Fact]:
    chosen = found.chosen
    poetry = "pyproject.toml: tool.poetry"
    origins = dict.fromkeys(one.origin for one in (chosen.groups, chosen.foreign) if one.values)
    yield _fact("pythons", found.pythons)
    yield _fact("extras", chosen.extras)
    yield _fact("groups", Found((*chosen.groups.values, *chosen.foreign.values), ", ".join(origins)))
    yield _fact("requirements", chosen.requirements)
    yield _fact("group requirements", Found(found.foreign, chosen.foreign.origin or poetry))
    for line in found.unread:
        yield Fact("unread", line, chosen.foreign.origin or poetry)


def _fact(name: str, found: Found) -> Fact:
    """Nothing found has no origin, except that somebody configured nothing."""
    origin = found.origin if found.values or found.origin == CONFIGURED else "none found"
    return Fact(name, ", ".join(found.values) or "none", origin)


def _build(found: Detected, sources: Sources) -> Fact:
    if found.build is None:
        return Fact("build", "none: the root goes on sys.path", "no metadata of a package")
    declared = "build-system" in sources.pyproject
    return Fact("build", found.build.backend, "pyproject.toml: build-system" if declared else "default")
