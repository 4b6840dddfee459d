"""The services of a session: its compose file read and checked, a stack of its own or the one that stays up."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable, Optional

import msgspec

from noxlib.config.checks import nearest
from noxlib.config.models import ComposeConfig
from noxlib.config.project import Project
from noxlib.engines.compose import Compose
from noxlib.engines.docker import Docker
from noxlib.engines.imageinfo import ImageInfo
from noxlib.errors import ConfigError, EngineError, UsageError
from noxlib.ledger import Ledger
from noxlib.places import addresses, box, companions, mocks, service_sidecars, stack, stack_additions
from noxlib.places.kept import Kept, project_name
from noxlib.places.probe import Listening
from noxlib.places.services import Services, Work
from noxlib.places.stack import Stack, Table
from noxlib.places.stack_additions import Wanted
from noxlib.places.stack_data import Data
from noxlib.sessions import compose_data, compose_files, placing
from noxlib.sessions.context import Context, say
from noxlib.sessions.placing import Placement

START_INTERVAL = 25  #: the engine's version that knows it


class OfServices(Placement, frozen=True):
    """A placement with services."""

    profile: Optional[str] = None  #: of the compose file
    keep: bool = False  #: they stay up
    fresh: bool = True  #: those that are up already are emptied and filled again
    detached: bool = True  #: and outlive this process
    faults: tuple[str, ...] = ()  #: as ``--fault`` has them
    record: tuple[str, ...] = ()  #: as ``--record`` has them


class Opened(msgspec.Struct, frozen=True):
    """The services of a session, not started yet. ``kept`` is taken, and released by the services' own end."""

    docker: Docker
    stack: Stack
    files: tuple[Path, ...]
    project: str
    kept: Optional[Kept]
    fresh: bool
    config: ComposeConfig
    beside: companions.Wanted
    data: Optional[Data] = None

    def services(
        self,
        folder: Path,
        probe: Callable[[Services], AbstractContextManager[Listening]],
        *,
        run_id: str,
        labels: Mapping[str, str],
        build: bool = True,
        preparations: tuple[Work, ...] = (),
        testground: str = "",
    ) -> Services:
        """The stack as a context manager; ``folder`` gets its logs, ``testground`` says what fills it."""
        return Services(
            self.docker,
            self.data.added(self.stack, self.docker, testground) if self.data else self.stack,
            files=self.files,
            project=self.project,
            run_id=run_id,
            labels=labels,
            folder=folder,
            ledger=Ledger(),
            probe=probe,
            kept=self.kept,
            build=build,
            fresh=self.fresh,
            reset=self.config.reset,
            ready_timeout=self.config.ready_timeout,
            preparations=preparations,
        )

    def attachment(self) -> box.Attachment:
        """What a container on their network gets: the runner's, and where each service is reached."""
        own = self.stack.attachment
        told = addresses.variables(addresses.on_network(self.stack.services))
        return msgspec.structs.replace(own, environment={**told, **own.environment})


def engine() -> Docker:
    """The engine, without which there are no services whatever the place of the tests. Raises EngineError."""
    try:
        return placing.engine()
    except EngineError as error:
        raise EngineError(
            error.what, "start docker or podman, or set DOCKER_HOST: the services need an engine"
        ) from None


@contextlib.contextmanager
def opened(context: Context, project: Project, placement: OfServices, *, publish: bool = False) -> Iterator[Opened]:
    """The compose file read and checked. Where the block fails, what was taken is given back.

    Raises:
        PlaceError: there is no such file, compose refuses it, or it lacks the runner.
        UsageError: the services that stay up are in use, or there is no such profile.
        ConfigError: it names a service that there is not.
    """
    docker = placement.engine
    assert docker is not None
    own = project.config.compose_integration
    files = compose_files.of(project)
    kept = _taken(context, own, placement)
    try:
        name = kept.project if kept else f"{project_name(project.root, context.session)}-{secrets.token_hex(4)}"
        config = Compose(docker, files, name).config()
        services = stack.read(config, own.file, own.runner, placement.profile)
        check_reset(own, config)
        compose_files.warn(config, name, files)
        published = publish or kept is not None
        images = _images(services, docker)
        wanted = _wanted(docker, images, publish=published, fixed=own.ports == "fixed")
        beside = companions.wanted(services, own.mocks, (*own.faults, *placement.faults), placement.record)
        mocks.check(services.services, beside.record)
        data = compose_data.of(project, docker, services)
        services = stack_additions.added(services, wanted)
        if beside.faults:
            faulted = {fault.service: images.get(fault.service) for fault in beside.faults}
            python = _python_image(context, project)
            services = service_sidecars.added(services, faulted, python, publish=published)
        yield Opened(docker, services, files, name, kept, placement.fresh, own, beside, data)
    except BaseException:
        if kept:
            kept.release()
        raise


def kept_of(context: Context, own: ComposeConfig, *, detached: bool = True) -> Kept:
    """The stack of this checkout and session that stays up, whether it is up or not."""
    return Kept(Ledger(), context.root, context.session, own.keep_hours, detached=detached)


def check_reset(own: ComposeConfig, config: Table) -> None:
    """Refuse a command for a service that the file has not.

    Raises:
        ConfigError: there is such a one.
    """
    known = tuple(config.get("services") or {})
    for name in own.reset:
        if name not in known:
            raise ConfigError(
                f"tool.noxlib.compose_integration.reset: {own.file} has no service {name!r}; "
                f"did you mean {nearest(name, known)}?",
                "rename or remove it",
            )


def _taken(context: Context, own: ComposeConfig, placement: OfServices) -> Optional[Kept]:
    """The stack that stays up, where there is one or is to be one; None: this run starts its own."""
    kept = kept_of(context, own, detached=placement.detached)
    if not placement.keep and kept.entry is None:
        return None
    if kept.take():
        if placement.keep or kept.entry is not None:
            return kept
        kept.release()  # another took them down in this moment
        return None
    if placement.keep:
        raise UsageError(
            f"{context.session}: another run has the services that stay up",
            "wait for it; a run without --keep starts its own",
        )
    say("noxlib: another run has the services that stay up; this one starts its own")
    return None


def _python_image(context: Context, project: Project) -> str:
    """What the testground of this Python is made from: it has a Python, and needs no build."""
    from noxlib.testground import recipe, template  # noqa: PLC0415 - few runs have faults

    with_python = (*template.helper_images(context.python), template.base_image(context.python))
    return recipe.mirrored(with_python[0], project.config.mirrors)


def _images(services: Stack, docker: Docker) -> dict[str, ImageInfo]:
    """What the engine knows of the services' images, as far as they are there."""
    found = {name: docker.image(str(one["image"])) for name, one in services.services.items() if "image" in one}
    return {name: image for name, image in found.items() if image is not None}


def _wanted(docker: Docker, images: Mapping[str, ImageInfo], *, publish: bool, fixed: bool) -> Wanted:
    major = docker.version.partition(".")[0]
    return Wanted(
        asks=docker.kind == "docker",
        often=docker.kind == "docker" and major.isdecimal() and int(major) >= START_INTERVAL,
        publish=publish,
        fixed=fixed,
        asked=frozenset(name for name, image in images.items() if image.health),
    )
