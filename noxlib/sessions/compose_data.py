"""From the configuration to the data of a stack: which steps fill it, and the key of what they make."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional

import msgspec

from noxlib.cache import Cache, state_folder
from noxlib.config.project import Project
from noxlib.config.values import parse_size
from noxlib.engines.docker import Docker
from noxlib.errors import ConfigError
from noxlib.ledger import Ledger
from noxlib.places import box, reach, stack_postgres
from noxlib.places.carry import files_below, matches
from noxlib.places.host import Command, Exit, Host
from noxlib.places.mirror import snapshot
from noxlib.places.services import Services, Work
from noxlib.places.stack import Stack
from noxlib.places.stack_data import Data, Step
from noxlib.places.stack_postgres import Postgres
from noxlib.plan import Limits

BUDGET = 2 << 30  #: bytes of data folders; one of a small schema has 45 MB
VERSION = 1  #: of how they are saved and laid down


def of(project: Project, docker: Docker, stack: Stack) -> Optional[Data]:
    """What fills the stack; None where nothing is configured.

    Raises:
        ConfigError: a command cannot be read, or a SQL file is not there.
    """
    steps = tuple(_steps(project))
    if not steps:
        return None
    postgres = stack_postgres.find(stack)
    cache = Cache(state_folder() / "databases", BUDGET)
    return Data(steps, postgres, cache, lambda ground: key(project, docker, stack, postgres, steps, ground))


def preparations(
    data: Optional[Data], project: Project, host: Host, variables: Callable[[Services], Mapping[str, str]]
) -> tuple[Work, ...]:
    """What is done between ready and the tests.

    Args:
        data: What fills the stack.
        project: Its commands get the suite's own variables and its timeout.
        host: Where they are run, as the tests will be; it is entered before the services are.
        variables: What they get beside.
    """
    if data is None:
        return ()
    own = project.config.compose_integration

    def fill(services: Services) -> None:
        environment = {**variables(services), **own.env}

        def run(command: Command) -> Exit:
            secrets = services.stack.secrets
            return host.run(msgspec.structs.replace(command, environment=environment, secrets=secrets))

        # A disk of the suite's own begins here: the tests find there what a migration wrote.
        disk = parse_size(own.disk) if own.disk else None
        data.fill(services, run, Limits(timeout=own.timeout, disk=disk))

    return (fill,)


def _steps(project: Project) -> Iterator[Step]:
    own = project.config.compose_integration
    if own.migrate:
        yield _checked(Step("migration", own.migrate), "migrate")
    for text in own.seed:
        if not text.endswith(".sql"):
            yield _checked(Step("seed", text), "seed")
        elif (project.root / text).is_file():
            yield Step("seed", text, project.root / text)
        else:
            raise ConfigError(f"tool.noxlib.compose_integration.seed: there is no {text}", "correct the path")


def _checked(step: Step, name: str) -> Step:
    try:
        if step.argv:
            return step
        found = "nothing in it"
    except ValueError as error:  # shlex's own words
        found = str(error).lower()
    raise ConfigError(
        f"tool.noxlib.compose_integration.{name}: {step.text!r} is no command: {found}", "quote it as a shell would"
    )


def key(
    project: Project,
    docker: Docker,
    stack: Stack,
    postgres: Optional[Postgres],
    steps: tuple[Step, ...],
    testground: str,
) -> Optional[str]:
    """The key of what the steps make in PostgreSQL; None where that cannot be known, or cannot be laid down again.

    Its parts: the image, the service's settings and the files that it mounts, the runner's variables and the
    suite's own, the testground, the steps, and the content of the files that ``migrations`` names: without any, nobody
    knows what a migration depends on. What a command of the project's own empties (``reset``) is not laid down.
    """
    own = project.config.compose_integration
    if postgres is None or postgres.service in own.reset:
        return None
    table = stack.services[postgres.service]
    image = docker.image(str(table.get("image")))
    files = _files(project, steps)
    if image is None or not files or not reach.of(docker, image.id, Ledger(), box.labels("data", project.name)).bind:
        return None
    parts: list[Any] = [VERSION, image.id, stack_postgres.settings(table), stack.attachment.environment]
    parts += [own.env, testground]
    parts += [[(step.kind, step.text) for step in steps]]
    try:
        parts += [_digests(project.root, files), _mounted(stack_postgres.binds(table))]
    except OSError:  # a folder of the server's own user: nobody knows what is in it
        return None
    return f"postgres-{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]}"


def _files(project: Project, steps: tuple[Step, ...]) -> list[str]:
    """The files of the checkout that decide the data; none where no file of ``migrations`` is there."""
    there = [name for name in snapshot(project.root) if (project.root / name).is_file()]
    found = {name for name in there if matches(name, project.config.compose_integration.migrations)}
    named = {word for step in steps for word in shlex.split(step.text)}
    return sorted(found | (named & set(there))) if found else []


def _digests(root: Path, files: Iterable[str]) -> list[tuple[str, str]]:
    return [(name, hashlib.sha256((root / name).read_bytes()).hexdigest()) for name in files]


def _mounted(paths: Iterable[str]) -> list[Any]:
    """The content of mounted files and folders."""
    found: list[Any] = []
    for path in map(Path, paths):
        names = [name for name, entry in files_below(path) if entry.is_file()] if path.is_dir() else [""]
        plain = path.is_dir() or path.is_file()  # a socket has no content
        found.append([str(path), _digests(path, names) if plain else None])
    return found
