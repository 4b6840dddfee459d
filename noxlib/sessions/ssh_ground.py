"""The testground on a machine that ssh reaches: built here, sent there once for each image."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from noxlib.config.project import Project
from noxlib.engines.docker import Docker
from noxlib.engines.imageinfo import ImageInfo
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
    """Reach the machine, then lock, build and prepare what is not there yet; with the effort ``none`` all stays local.

    Raises:
        NoxlibError: The machine cannot be reached, or the testground cannot be made.
    """
    docker = placement.engine
    assert docker is not None
    assert placement.target is not None
    connection = Connection(parse(placement.target))
    if effort != "none":
        connection.open()
    try:
        made = container_ground.make(context.python, project, docker, effort)
        image = docker.image(made.testground.id)
        assert image is not None
    except BaseException:
        connection.close()
        raise

    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        return SSHHost(
            connection,
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
            closing=True,
        )

    return container_ground.ground(project, placement, made, host)


def _rootfs(connection: Connection, docker: Docker, image: ImageInfo) -> str:
    return remote_rootfs.ensure(connection, Ledger(), image.id, lambda: rootfs.chunks(docker, image.id))
