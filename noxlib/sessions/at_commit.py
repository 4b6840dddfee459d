"""``--at COMMIT``: the code of a commit, its tests and its configuration, in the testground of that commit."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.engines import commits, registryauth
from noxlib.engines.docker import Docker
from noxlib.errors import ConfigError, PlaceError, UsageError
from noxlib.plan import ASKED
from noxlib.sessions import placing, running
from noxlib.sessions.arguments import Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.placing import Placement
from noxlib.sessions.running import SuiteOf
from noxlib.sessions.suites import Suite
from noxlib.testground import pulled, remote
from noxlib.testground.pulled import Puller


def run_suite(context: Context, suite_of: SuiteOf, *, options: tuple[Option, ...]) -> None:
    """As ``running.run_suite``, where ``--at`` may be among the words; after a second ``--`` it is pytest's.

    Raises:
        UsageError: there is no such commit, or another option has no meaning beside it.
        NoxlibError: the outcome is not ``passed``.
    """
    arguments = context.parse(*options, *running.COMMON)
    if arguments["at"] is None:
        running.run_suite(context, suite_of, options=options)
        return
    _check(arguments)
    commit = commits.resolve(context.root, arguments["at"])
    with commits.checkout(context.root, commit) as code:
        then = load_project(code)

        def place_of(_: Config, inner: Arguments) -> Placement:
            return _place(context, commit, code, inner["platform"], dry_run=inner["dry_run"])

        running.run_suite(context, lambda _, inner: _suite(suite_of, then, inner), options=options, place_of=place_of)


def _check(arguments: Arguments) -> None:
    if arguments["place"] == "venv":
        raise UsageError("--at takes the image of a commit, and --place venv has none", "leave one of them out")
    if arguments["testground"] is not None:
        raise UsageError("--at takes the testground of its commit, and --testground another", "leave one of them out")


def _suite(suite_of: SuiteOf, then: Project, arguments: Arguments) -> Suite:
    """As the commit configures it, and where its tests were."""
    suite = suite_of(then.config, arguments)
    own = suite.config
    coverage = then.coverage if own.coverage is None else own.coverage
    config = msgspec.structs.replace(own, paths=own.paths or then.test_paths, coverage=coverage)
    return msgspec.structs.replace(suite, config=config)


def _place(context: Context, commit: str, code: Path, platform: Optional[str], *, dry_run: bool) -> Placement:
    project = load_project(context.root)  # the clone knows neither the registry nor what was pulled
    chosen = placing.choose(project.config, "container")
    chosen = placing.on_platform(msgspec.structs.replace(chosen, reason=f"{ASKED} --at {commit[:12]}"), platform)
    assert chosen.engine is not None
    testground = None if dry_run else _published(project, context.python, commit, chosen.engine)
    return msgspec.structs.replace(chosen, checkout=code, testground=testground)


def _published(project: Project, python: str, commit: str, docker: Docker) -> Optional[str]:
    """The id of the image that was published for a commit, pulled where it is not here; None where none was."""
    known = pulled.known(project, python, commit, docker)
    if known is None:
        try:
            registry = remote.open_registry(remote.image_of(project))
            credentials = registryauth.find(registry.host, os.environ)
            known = Puller(project, docker, registry, credentials, say).fetch(python, commit)
        except (ConfigError, PlaceError) as error:
            if error.cause != "absent" and not isinstance(error, ConfigError):
                raise
            say(f"noxlib: {error.what}: the testground is that of the commit's own files")
            return None
    return known[1].id
