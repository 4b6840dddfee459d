"""The image of a record: in the engine already, or pulled from where this project publishes its own."""

from __future__ import annotations

import os
from pathlib import Path

from noxlib.config.detect import load_project
from noxlib.engines.docker import Docker
from noxlib.errors import ConfigError, PlaceError
from noxlib.records.record import Record
from noxlib.sessions.context import say


def ensure(record: Record, root: Path, docker: Docker) -> None:
    """Have the recorded image in the engine.

    A record that came from elsewhere may name any image: only this project's own repository is pulled from.

    Raises:
        PlaceError: it is not here and cannot be had.
        EngineError: the engine or the registry fails.
    """
    digest, reference = record.testground.digest or "", record.testground.image or ""
    if docker.image(digest) is not None:
        return
    if _is_published(reference, root):
        from noxlib.engines import images, registryauth  # noqa: PLC0415 - only where something is pulled

        say(f"noxlib: pulling {reference}")
        images.pull(reference, docker, registryauth.find(registryauth.split(reference)[0], os.environ))
        if docker.image(digest) is not None:
            return
    raise PlaceError(
        f"the image {digest[:19]}… of {record.run} is not in the engine",
        f"load the archive it came in (nox -s testground_load), or pull it (nox -s testground_pull-{record.python})",
    )


def _is_published(reference: str, root: Path) -> bool:
    """Whether it is ``name@sha256:…`` with the name under which the project publishes."""
    from noxlib.testground import remote  # noqa: PLC0415 - brings the registry

    name, at, digest = reference.partition("@")
    try:
        return bool(at) and digest.startswith("sha256:") and name == remote.image_of(load_project(root))
    except ConfigError:  # the project publishes nowhere
        return False
