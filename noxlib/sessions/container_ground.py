"""The testground as a container: lock, image, prepared files, host."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable, Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.places import box, emulator
from noxlib.places.container import Container
from noxlib.places.host import Host
from noxlib.records.record import TestgroundSection
from noxlib.sessions import grounds, preparing
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground, layout_names, names, path_without_build
from noxlib.sessions.placing import Placement
from noxlib.testground import image, lock, prepare
from noxlib.testground.image import Testground
from noxlib.testground.locked import Lock, digest
from noxlib.testground.prepare import Prepared

BUILD_PYTHON = "/opt/build/bin/python"


class Made(msgspec.Struct, frozen=True):
    """A testground and the project's prepared files for it: what every place that has the image's files starts from."""

    testground: Testground
    prepared: Optional[Prepared]

    @property
    def site(self) -> Optional[Path]:
        """Folder of site-packages entries made by the project's build."""
        return self.prepared.site if self.prepared else None

    @property
    def tree(self) -> Optional[Path]:
        """Files made by the build that are laid over the checkout."""
        return self.prepared.tree if self.prepared else None


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """Lock, build and prepare what is not there yet, then the ground."""
    docker = placement.engine
    assert docker is not None
    if placement.checkout is not None:
        project = load_project(placement.checkout)
    made = make(context.python, project, docker, effort, placement.testground)

    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        return container(docker, project, made, folder, keep=keep)

    return ground(project, placement, made, host)


def container(
    docker: Docker,
    project: Project,
    made: Made,
    folder: Path,
    *,
    run_id: Optional[str] = None,
    keep: bool = False,
    attachment: box.Attachment = box.ALONE,
) -> Container:
    """The host over a project's checkout. ``folder`` is its scratch here; its name is the run's where none is given."""
    return Container(
        docker,
        made.testground.id,
        run_id=run_id or grounds.run_id(folder),
        project=project.name,
        checkout=project.root,
        run_folder=folder,
        prepared_site=made.site,
        prepared_tree=made.tree,
        python=made.testground.interpreter,
        keep=keep,
        attachment=attachment,
    )


def make(python: str, project: Project, docker: Docker, effort: Effort, published: Optional[str] = None) -> Made:
    """The testground (or a ``published`` one) and the prepared files of one Python, made as far as the effort goes."""
    locked = lock_of(project, python, docker, effort)
    if published is not None:
        from noxlib.sessions import given  # noqa: PLC0415 - brings the registry

        return in_testground(
            project, given.testground(project, python, locked, docker, published, effort), docker, effort
        )
    testground = image.find_or_build(project, python, locked, docker, build=effort == "all")
    return in_testground(project, testground, docker, effort)


def in_testground(project: Project, testground: Testground, docker: Docker, effort: Effort) -> Made:
    """The prepared files of a project, made as far as the effort goes in a testground that is there."""
    if effort != "none":
        emulator.tried(docker, testground.id, Ledger())
    if testground.own_dockerfile:
        from noxlib.sessions import own_image  # noqa: PLC0415 - few projects have one

        return Made(testground, own_image.prepared(project, testground, docker, effort))
    return Made(testground, _prepared(project, testground, docker, effort))


def lock_of(project: Project, python: str, docker: Docker, effort: Effort) -> Lock:
    """The project's own Dockerfile.test says itself what it installs; else the lock does."""
    if project.dockerfile:
        return lock.of_dockerfile(project)
    return preparing.locked(project, python, docker.platform, effort)


def _prepared(project: Project, testground: Testground, docker: Docker, effort: Effort) -> Optional[Prepared]:
    if project.build is None:
        return None
    locked = testground.lock
    build_lock = digest(locked.folder, locked.build_files)
    key = prepare.key(project, testground.python, docker.platform, box.WORKSPACE, build_lock)

    def builder(folder: Path) -> AbstractContextManager[Host]:
        return Container(
            docker,
            image.ensure_builder(project, testground, docker),
            run_id=preparing.caller(),
            project=project.name,
            checkout=project.root,
            run_folder=folder,
            python=BUILD_PYTHON,
        )

    return preparing.find_or_make(project, key, box.PYTHON, builder, effort)


def ground(
    project: Project,
    placement: Placement,
    made: Made,
    host: Callable[[Path, bool], AbstractContextManager[Host]],
) -> Ground:
    """The ground of a place that has the image's files and sees the code at ``/workspace``."""
    testground, prepared = made.testground, made.prepared
    found, environment = layout_names(project.root), path_without_build(project, box.WORKSPACE, testground.path)
    if prepared is not None and not testground.own_dockerfile:
        found, environment = prepared.import_names, prepared.environment
    return Ground(
        placement=placement,
        checkout=placement.checkout,
        section=section(testground, prepared),
        workspace=box.WORKSPACE,
        host=host,
        import_names=names(project, found),
        import_roots=(box.WORKSPACE, box.SITE),
        environment=environment,
    )


def section(testground: Testground, prepared: Optional[Prepared]) -> TestgroundSection:
    """What the record says of the testground."""
    return TestgroundSection(
        image=testground.reference,
        digest=testground.id,
        platform=testground.platform or None,
        base_digest=testground.base_digest,
        fingerprint=testground.fingerprint,
        lock=testground.lock.key,
        lock_source=testground.lock.source,
        prepared=prepared.key if prepared else None,
    )
