"""A project: its configuration, and what its own files say, each with its origin. Nothing is run or fetched."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from noxlib.config.conda import find_conda, refuse_conda
from noxlib.config.declared import find_available, find_build, find_name, foreign_requirements, is_package
from noxlib.config.dependencies import choose
from noxlib.config.facts import Detected, facts
from noxlib.config.files import Sources
from noxlib.config.load import load_config
from noxlib.config.locks import find_locks
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.config.pytest_settings import find_coverage, find_test_paths
from noxlib.config.pythons import find_pythons

DOCKERFILE = "Dockerfile.test"


def load_project(root: Path, environ: Mapping[str, str] = os.environ) -> Project:
    """The project at ``root``; ``environ`` may override its configuration.

    Raises:
        ConfigError: the configuration or the project's own metadata is wrong, or its world is conda.
    """
    root = root.resolve()
    config = load_config(root, environ)
    sources = Sources(root)
    found = detect(sources, config)
    if found.conda and not (found.package or found.chosen.requirements.values or config.packages or found.dockerfile):
        refuse_conda(found.conda)
    return _project(root, config, sources, found)


def detect(sources: Sources, config: Config) -> Detected:
    """Everything that the project's files say; what is configured wins.

    Raises:
        ConfigError: one of the files is malformed, or something configured is not there.
    """
    package = is_package(sources)
    pythons = find_pythons(sources, config)
    chosen = choose(find_available(sources), config, is_package=package)
    foreign, unread = foreign_requirements(sources, chosen.foreign.values, chosen.extras.values)
    test_paths, collected = find_test_paths(sources)
    return Detected(
        name=find_name(sources),
        package=package,
        pythons=pythons,
        chosen=chosen,
        foreign=foreign,
        unread=unread,
        test_paths=test_paths.values,
        collected=collected,
        build=find_build(sources),
        coverage=find_coverage(sources),
        lock=find_locks(sources.root, pythons.values, chosen.requirements.values),
        dockerfile=DOCKERFILE if (sources.root / DOCKERFILE).is_file() else None,
        conda=find_conda(sources),
    )


def _project(root: Path, config: Config, sources: Sources, found: Detected) -> Project:
    return Project(
        root=root,
        name=found.name[0],
        config=config,
        pythons=found.pythons.values,
        extras=found.chosen.extras.values,
        groups=found.chosen.groups.values,
        requirements=found.chosen.requirements.values,
        group_requirements=found.foreign,
        test_paths=found.test_paths,
        build=found.build,
        lock_kind=found.lock[0],
        lock_files=found.lock[1],
        dockerfile=found.dockerfile,
        is_package=found.package,
        coverage=bool(found.coverage.values),
        metadata=sources.pyproject,
        facts=tuple(facts(found, config, sources)),
    )
