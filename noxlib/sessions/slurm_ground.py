"""The testground on a Slurm cluster: the image's files as SIF, entered by Apptainer on a node."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from noxlib.config.project import Project
from noxlib.errors import PlaceError
from noxlib.places.host import Host
from noxlib.sessions import container_ground
from noxlib.sessions.container_ground import Made
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """Lock, build and prepare what is not there yet, then the ground."""
    return made(context, project, placement, effort)[1]


def made(context: Context, project: Project, placement: Placement, effort: Effort) -> tuple[Made, Ground]:
    """The same, and what was made besides: it goes to the cluster."""
    docker = placement.engine
    assert docker is not None
    found = container_ground.make(context.python, project, docker, effort)

    def host(_folder: Path, _keep: bool) -> AbstractContextManager[Host]:
        raise PlaceError("a task of Slurm makes its host itself, on its node", "submit it: nox -s hpc_submit")

    return found, container_ground.ground(project, placement, found, host)
