"""The testground as a container on the network of the project's services."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

import msgspec

from noxlib.config.project import Project
from noxlib.ledger import Ledger
from noxlib.places import box, foreign
from noxlib.places.companions import Companions
from noxlib.places.compose import Beside
from noxlib.places.host import Host
from noxlib.places.probe import Probe
from noxlib.sessions import compose_data, compose_stack, container_ground
from noxlib.sessions.compose_stack import OfServices
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """The compose file read and checked, the testground made; then the ground.

    Raises:
        PlaceError: there is no such file, compose refuses it, or it lacks the runner.
    """
    assert isinstance(placement, OfServices)
    with compose_stack.opened(context, project, placement) as opened:
        made = container_ground.make(context.python, project, opened.docker, effort)

        def host(folder: Path, _keep: bool) -> AbstractContextManager[Host]:
            labels = box.labels(folder.name, project.name)
            image, python = made.testground.id, made.testground.interpreter
            foreign.check(opened.stack, opened.docker, image, labels)
            attachment = opened.attachment()
            inner = container_ground.container(opened.docker, project, made, folder, attachment=attachment)
            services = opened.services(
                folder,
                lambda its: Probe(
                    its.docker, image, python, its.stack, run_id=folder.name, labels=labels, ledger=Ledger()
                ),
                run_id=folder.name,
                labels=labels,
                build=effort == "all",
                preparations=compose_data.preparations(opened.data, project, inner, lambda _: ground.environment),
                testground=made.testground.fingerprint,
            )
            local = opened.docker.endpoint.url.startswith("unix:")
            return Beside(services, inner, Companions(opened.beside, project.root, folder, network=True, channel=local))

        ground = container_ground.ground(project, placement, made, host)
        return msgspec.structs.replace(ground, secrets=opened.stack.secrets)
