"""From a placement to its ground: each kind of place is imported only where it is taken."""

from __future__ import annotations

from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path

from noxlib.config.project import Project
from noxlib.errors import NoxlibError
from noxlib.places.host import Host
from noxlib.records.record import TestgroundSection
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """The ground, its testground built and the project's own build prepared, as far as the effort goes.

    Raises:
        NoxlibError: it cannot be made; with the cause ``absent`` where the effort forbids to make it.
    """
    ground: Ground = import_module(f"noxlib.sessions.{placement.name}_ground").ready(
        context, project, placement, effort
    )
    return ground


def several(context: Context, project: Project, first: Ground, effort: Effort, count: int) -> tuple[Ground, ...]:
    """A ground for each of several runs at once: one for all, unless its workspace is for one run at a time."""
    if not first.exclusive:
        return (first,) * count
    return (first, *(ready(context, project, first.placement, effort) for _ in range(count - 1)))


def known(context: Context, project: Project, placement: Placement) -> Ground:
    """The ground for ``--dry-run``: whole where all is made already, else without what only a build would tell."""
    try:
        return ready(context, project, placement, "none")
    except NoxlibError as error:
        if error.cause != "absent":
            raise
    workspace = str(project.root) if placement.name.endswith("venv") else "/workspace"
    return Ground(placement, TestgroundSection(), workspace, _unready)


def _unready(_folder: Path, _keep: bool) -> AbstractContextManager[Host]:
    raise AssertionError("a dry run starts no host")
