"""The Apptainer image of a testground that somebody made already: of a bundle, or attached to what is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import blobs, referrers
from noxlib.engines.chunks import SIZE
from noxlib.errors import ConfigError, EngineError
from noxlib.ledger import state_folder
from noxlib.testground import attachments, names, publish, remote

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.config.project import Project
    from noxlib.engines.referrers import Part
    from noxlib.engines.registry import Registry
    from noxlib.testground.image import Testground


class Found(msgspec.Struct, frozen=True):
    """Where it is, and its content in pieces."""

    where: str
    pieces: Iterator[bytes]


def path_of(image: str) -> Path:
    """Where the one of an image's id, ``sha256:…``, is kept on this machine."""
    return state_folder() / "sif" / f"{image.partition(':')[2]}.sif"


def find(project: Project, testground: Testground) -> Optional[Found]:
    """That of the very image; None where there is none. A registry that fails is told: it can be made all the same."""
    here = path_of(testground.id)
    if here.is_file():
        return Found(str(here), _read(here))
    try:
        registry = remote.open_registry(remote.image_of(project))
        part = _attached(registry, testground)
    except ConfigError:  # the project publishes nowhere
        return None
    except EngineError as error:
        print(f"noxlib: no Apptainer image is looked for: {error.what}", flush=True)
        return None
    return Found(registry.image, blobs.stream(registry, part.digest, part.size)) if part else None


def _attached(registry: Registry, testground: Testground) -> Optional[Part]:
    """What is published under a fingerprint may have been built elsewhere: then it is not this one."""
    manifest = registry.manifest(names.fingerprint_tag(testground.python, testground.fingerprint))
    if manifest is None or not publish.is_image(testground, manifest):
        return None
    listed = referrers.of(registry, manifest.digest, attachments.SIF)
    every = (part for one in listed for part in referrers.parts(registry, one, manifest.digest))
    return next((part for part in every if part.media_type == attachments.SIF), None)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        yield from iter(lambda: file.read(SIZE), b"")
