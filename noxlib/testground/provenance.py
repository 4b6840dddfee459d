"""What is published gets beside it what it was made of: lock and SBOM; and an Apptainer image, if asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Callable, Optional

import msgspec

from noxlib import temporary
from noxlib.engines import apptainer, images
from noxlib.errors import EngineError, NoxlibError
from noxlib.places import box
from noxlib.testground import attachments, inventory, lock, names, remote, rootfs, sbom
from noxlib.testground.sbom import Described

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.engines.registry import Manifest, Registry
    from noxlib.engines.registryauth import Credentials
    from noxlib.testground.inventory import Inventory
    from noxlib.testground.locked import Lock

_OCI = "org.opencontainers.image."


def read(docker: Docker, info: ImageInfo) -> Inventory:
    """The inventory of an image of the engine. Raises EngineError."""
    found = inventory.take(rootfs.chunks(docker, info.id))
    base, digest = (info.labels.get(f"{_OCI}base.{name}", "") for name in ("name", "digest"))
    return msgspec.structs.replace(found, base=base, base_digest=digest)


class Completing(msgspec.Struct, frozen=True):
    """Attaches what is missing to what one session published.

    ``engine`` gives the engine; it is asked for only where something has to be made of the image.
    """

    project: str
    python: str
    registry: Registry
    credentials: Optional[Credentials]
    engine: Callable[[], Docker]
    say: Callable[[str], None]

    def attach_lock(self, image: Manifest) -> None:
        """For what was just sent and has no tag of its commit yet: who finds that tag finds the lock as well."""
        try:
            self._attach_lock(image, remote.labels(self.registry, image))
        except NoxlibError as error:
            self.say(f"noxlib: its lock is not attached yet: {error.what}")

    def complete(self, image: Manifest, *, sif: bool = False) -> None:
        """Lock and SBOM are attached once; where that fails the publishing itself has not. Without an engine: later.

        Raises:
            EngineError: The Apptainer image, which was asked for, cannot be made or attached.
        """
        if image.is_index:
            return  # its parts were published one by one, each with its own
        try:
            known = attachments.types(self.registry, image.digest)
            labels = remote.labels(self.registry, image)
            if attachments.LOCK in known:
                take_lock(self.registry, image.digest, labels, self.say)
            else:
                self._attach_lock(image, labels)
            if attachments.SBOM not in known:
                self._attach_sbom(image, labels)
        except NoxlibError as error:
            if sif:
                raise
            self.say(f"noxlib: not all is attached to {image.digest[:19]}, the next publishing adds it: {error.what}")
            return
        if sif and attachments.SIF not in known:
            self._attach_sif(image, labels)

    def _attach_lock(self, image: Manifest, labels: Mapping[str, str]) -> None:
        """The very lock that the image says it was built from, if it is here: it is where the image was built."""
        found = self._lock_of(labels)
        if found is not None:
            attachments.attach_lock(self.registry, image, found, labels)

    def _lock_of(self, labels: Mapping[str, str]) -> Optional[Lock]:
        found = lock.by_key(labels.get(f"{box.LABEL}lock", ""))
        if found is None or found.digest != labels.get(f"{box.LABEL}lock-digest", found.digest):
            return None
        return found

    def _attach_sbom(self, image: Manifest, labels: Mapping[str, str]) -> None:
        docker = self.engine()
        info = self._here(image, docker)
        described = Described(self.project, self.python, info.id, sbom.created(labels, os.environ))
        attachments.attach_sbom(self.registry, image, read(docker, info), described, labels)

    def _attach_sif(self, image: Manifest, labels: Mapping[str, str]) -> None:
        docker = self.engine()
        info = self._here(image, docker)
        name = f"{names.local_name(self.project)}-py{self.python}.sif"
        with temporary.folder() as folder:
            self.say(f"noxlib: making {name}, an Apptainer image")
            apptainer.build(images.save((info.id,), docker), folder / name)
            attachments.attach_sif(self.registry, image, folder / name, name, labels)
        self.say(f"noxlib: {name} is attached to {self.registry.image}@{image.digest}")

    def _here(self, image: Manifest, docker: Docker) -> ImageInfo:
        """The image in the engine, pulled where it was built elsewhere."""
        own = remote.configuration_digest(image)
        found = docker.image(own) if own else None
        return found or pulled(f"{self.registry.image}@{image.digest}", docker, self.credentials)


def pulled(reference: str, docker: Docker, credentials: Optional[Credentials]) -> ImageInfo:
    """An image by its digest, pulled where it is not here. Raises EngineError."""
    found = docker.image(reference)
    if found is None:
        images.pull(reference, docker, credentials)
        found = docker.image(reference)
    if found is None:
        raise EngineError(f"{reference} is gone right after it was pulled", "run this again")
    return found


def take_lock(registry: Registry, digest: str, labels: Mapping[str, str], say: Callable[[str], None]) -> Optional[Lock]:
    """The published lock of an image, for all that want the lock of its inputs from now on; what is wrong is told.

    A testground can be used without: no failure of an attachment makes it less itself.
    """
    if not labels.get(f"{box.LABEL}lock"):
        return None
    try:
        return attachments.find_lock(registry, digest, labels)
    except EngineError as error:
        say(f"noxlib: its lock is not taken: {error.what}")
        return None
