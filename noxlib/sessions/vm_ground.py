"""The testground in a virtual machine: golden image, the testground as a disk, saved RAM, host."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib.config.models import VmtestConfig
from noxlib.config.project import Project
from noxlib.config.values import parse_size
from noxlib.engines import accelerator, golden
from noxlib.engines.docker import Docker
from noxlib.engines.qemu import Shape
from noxlib.places.host import Host
from noxlib.places.machines import Wanted
from noxlib.places.vm import VM
from noxlib.sessions import container_ground, preparing
from noxlib.sessions.container_ground import Made
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement
from noxlib.testground import disk

if TYPE_CHECKING:
    from noxlib.places.vmtest import Vmtest


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """Lock, build, prepare and make a disk of what is not there yet, then the ground."""
    return of(VM, context, project, placement, effort)


def of(place: type[VM | Vmtest], context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """The same for either rung. Raises what ``machine`` raises."""
    docker = placement.engine
    assert docker is not None
    made = container_ground.make(context.python, project, docker, effort, placement.testground)
    wanted = machine(project, made, docker, effort)

    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        return place(
            wanted,
            run_id=folder.name,
            checkout=project.root,
            run_folder=folder,
            environment=image_environment(docker, made),
            prepared_site=made.site,
            prepared_tree=made.tree,
            python=made.testground.interpreter,
            keep=keep,
        )

    return container_ground.ground(project, placement, made, host)


def machine(project: Project, made: Made, docker: Docker, effort: Effort) -> Wanted:
    """What the machine is made of, made as far as the effort goes.

    Raises:
        BuildError: It is not there and may not be made; cause ``absent``.
        EngineError: It cannot be made.
    """
    image = made.testground.id
    if effort != "all" and golden.find() is None:
        raise preparing.absent("the golden image of virtual machines")
    if effort != "all" and not disk.there(image):
        raise preparing.absent("the testground's disk for virtual machines")
    found = golden.find_or_make(say)
    drive = disk.find_or_make(docker, image, made.testground.interpreter, say)
    config = project.config.vmtest
    return Wanted(found, drive, shape(config, accelerator.choose(found, say)), config.saved_ram)


def shape(config: VmtestConfig, found: accelerator.Found) -> Shape:
    """CPUs, memory and accelerator of a machine. Pure."""
    plain = Shape(found.accelerator)
    return msgspec.structs.replace(
        plain,
        cpus=plain.cpus if config.cpus is None else max(1, round(config.cpus)),
        memory=plain.memory if config.memory is None else max(128, parse_size(config.memory) // 1024**2),
    )


def image_environment(docker: Docker, made: Made) -> dict[str, str]:
    """The variables of the testground's image."""
    info = docker.image(made.testground.id)
    return info.environment if info is not None else {}
