"""From a placement to its ground: each kind of place is imported only where it is taken."""

from __future__ import annotations

from noxlib.config.project import Project
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, *, build: bool) -> Ground:
    """The ground, its testground built and the project's own build prepared.

    Raises:
        NoxlibError: it cannot be made, or ``build`` is False and it is not there yet.
    """
    if placement.name == "container":
        from noxlib.sessions import container_ground  # noqa: PLC0415 - a venv pays for no engine

        return container_ground.ready(context, project, placement, build=build)
    from noxlib.sessions import venv_ground  # noqa: PLC0415

    return venv_ground.ready(context, project, placement, build=build)


def known(context: Context, project: Project, placement: Placement) -> Ground:
    """The ground as far as it is made already, for ``--dry-run``: nothing is resolved, built or started."""
    if placement.name == "container":
        from noxlib.sessions import container_ground  # noqa: PLC0415 - as above

        return container_ground.known(context, project, placement)
    from noxlib.sessions import venv_ground  # noqa: PLC0415

    return venv_ground.known(context, project, placement)
