"""The testground on a machine that ssh reaches: built here, sent there once for each image."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from noxlib.config.project import Project
from noxlib.engines.docker import Docker, ImageInfo
from noxlib.engines.ssh import Connection, parse
from noxlib.ledger import Ledger
from noxlib.places import remote_rootfs
from noxlib.places.host import Host
from noxlib.places.ssh import SSHHost
from noxlib.sessions import container_ground
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement
from noxlib.testground import rootfs


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """Lock, build and prepare what is not there yet, then the ground; the machine is not asked before it is entered."""
    docker = placement.engine
    assert docker is not None
    assert placement.target is not None
    target = parse(placement.target)
    made = container_ground.make(context.python, project, docker, effort)
    image = docker.image(made.testground.id)
    assert image is not None

    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        return SSHHost(
            Connection(target),
            lambda there: _rootfs(there, docker, image),
            run_id=folder.name,
            checkout=project.root,
            run_folder=folder,
            environment=image.environment,
            platform=image.platform,
            prepared_site=made.site,
            prepared_tree=made.tree,
            python=made.testground.interpreter,
            keep=keep,
        )

    return container_ground.ground(project, placement, made, host)


def _rootfs(connection: Connection, docker: Docker, image: ImageInfo) -> str:
    return remote_rootfs.ensure(connection, Ledger(), image.id, lambda: rootfs.chunks(docker, image.id))
