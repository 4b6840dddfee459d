"""The testground as a container on the network of the project's services."""

from __future__ import annotations

import re
import secrets
from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from noxlib.config.project import Project
from noxlib.engines.compose import Compose
from noxlib.places import box, foreign, stack
from noxlib.places.compose import Services
from noxlib.places.host import Host
from noxlib.sessions import compose_files, container_ground
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """The compose file read and checked, the testground made; then the ground.

    Raises:
        PlaceError: there is no such file, compose refuses it, or it lacks the runner.
    """
    docker = placement.engine
    assert docker is not None
    own = project.config.compose_integration
    files = compose_files.of(project)
    name = project_name(context.session)
    config = Compose(docker, files, name).config()
    services = stack.read(config, own.file, own.runner, placement.target)
    compose_files.warn(config, name, files)
    made = container_ground.make(context.python, project, docker, effort)

    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        foreign.check(services, docker, made.testground.id, box.labels(folder.name, project.name))
        return Services(
            docker,
            made.testground.id,
            services,
            files=files,
            project=name,
            run_id=folder.name,
            owner=project.name,
            checkout=project.root,
            run_folder=folder,
            prepared_site=made.site,
            prepared_tree=made.tree,
            python=made.testground.interpreter,
            keep=keep,
            build=effort == "all",
        )

    return msgspec.structs.replace(container_ground.ground(project, placement, made, host), secrets=services.secrets)


def project_name(session: str) -> str:
    """A name for compose that nothing else has: it takes ``[a-z0-9][a-z0-9_-]*``.

    >>> project_name("compose_integration-3.10")[:-8]
    'noxlib-compose_integration-3-10-'
    """
    return f"noxlib-{re.sub(r'[^a-z0-9_-]+', '-', session.lower())}-{secrets.token_hex(4)}"
