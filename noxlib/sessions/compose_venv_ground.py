"""The testground as a virtual environment of this machine, beside services that are reached by published ports."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import cast

import msgspec

from noxlib.config.project import Project
from noxlib.errors import PlaceError
from noxlib.places import addresses, box
from noxlib.places.companions import Companions
from noxlib.places.compose import Beside
from noxlib.places.host import Host
from noxlib.places.probe import LocalProbe
from noxlib.places.services import Services
from noxlib.sessions import compose_data, compose_stack, venv_ground
from noxlib.sessions.compose_stack import OfServices
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """The compose file read and checked, the environment made; then the ground.

    Raises:
        PlaceError: as in the place ``compose``; or the engine is on another machine.
    """
    assert isinstance(placement, OfServices)
    assert placement.engine is not None
    if not placement.engine.endpoint.url.startswith("unix:"):
        raise PlaceError(
            f"the ports of services at {placement.engine.endpoint} are not reached from this machine",
            "run the tests beside them: --place container",
        )
    with compose_stack.opened(context, project, placement, publish=True) as opened:
        inner = venv_ground.ready(context, project, placement, effort)

        def host(folder: Path, _keep: bool) -> AbstractContextManager[Host]:
            tests = cast("Host", inner.host(folder, False))

            def given(its: Services) -> Mapping[str, str]:
                return {**variables(its, its.addresses()), **inner.environment}

            services = opened.services(
                folder,
                lambda its: LocalProbe(its.stack, its.addresses),
                run_id=folder.name,
                labels=box.labels(folder.name, project.name),
                build=effort == "all",
                preparations=compose_data.preparations(opened.data, project, tests, given),
                testground=inner.section.lock or "",
            )
            companions = Companions(opened.beside, project.root, folder, network=False, channel=True)
            return Beside(services, tests, companions, lambda its: variables(its, its.addresses()))

        return msgspec.structs.replace(inner, host=host, secrets=opened.stack.secrets)


def variables(services: Services, reached: addresses.Addresses) -> Mapping[str, str]:
    """The runner's variables as they read from this machine, and where each service is reached."""
    return {**addresses.variables(reached), **addresses.rewritten(services.stack.attachment.environment, reached)}
