"""What a testground holds, whatever word it is named by: published, with its SBOM or without, or built here."""

from __future__ import annotations

import os

from noxlib.config.project import Project
from noxlib.engines import registryauth
from noxlib.errors import PlaceError
from noxlib.sessions import placing
from noxlib.sessions.context import say
from noxlib.testground import attachments, index, names, provenance, remote
from noxlib.testground.inventory import Inventory

LOCAL = "local"  #: the word for what was built here last


def of(project: Project, python: str, word: str) -> Inventory:
    """The inventory of a testground; the SBOM that is attached to it tells without the image.

    Raises:
        PlaceError: nothing has that name.
        EngineError: the registry or the engine fails.
    """
    if word == LOCAL:
        return _here(project, python)
    python = names.read(word).python or python  # a whole tag, of any Python
    registry = remote.open_registry(remote.image_of(project))
    digest = index.resolve(
        registry, remote.find(registry, python, word, project).digest, lambda: placing.engine().platform
    )
    found = attachments.find_sbom(registry, digest)
    if found is not None:
        return found
    say(f"noxlib: {registry.image}@{digest} has no SBOM: the image itself is read")
    docker, credentials = placing.engine(), registryauth.find(registry.host, os.environ)
    return provenance.read(docker, provenance.pulled(f"{registry.image}@{digest}", docker, credentials))


def _here(project: Project, python: str) -> Inventory:
    docker = placing.engine()
    reference = f"{names.image_name(project.name, None, project.config)}:{names.tag(python, LOCAL)}"
    info = docker.image(reference)
    if info is None:
        raise PlaceError(
            f"no testground of Python {python} was built here: there is no {reference}",
            f"build it: nox -s testground_build-{python}",
            cause="absent",
        )
    return provenance.read(docker, info)
