"""A workspace for engines that do not see this machine's files (remote, Docker Desktop): a copy in a volume."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Optional

from noxlib.places import box, noted, tars
from noxlib.places.sent import Sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxlib.ledger import Entry
    from noxlib.places.volume import Volume


class Copied:
    """The checkout and the prepared tree, copied into a labelled volume; the same interface as ``Overlay``."""

    def __init__(self, volume: Volume) -> None:
        self._volume = volume
        self._entry: Optional[Entry] = None
        self._sent = Sent(volume.checkout, volume.prepared_tree)

    def create(self) -> None:
        """Make the volume and send the files. Raises OSError and EngineError."""
        volume = self._volume
        self._entry = volume.written_down("volume")
        volume.docker.create_volume(volume.name, volume.labels)
        with self._holder() as container, tars.pack(self._sent.files(), *volume.owner) as tar:
            volume.docker.put_archive(container, box.WORKSPACE, tar)

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """The volume for a container's create call."""
        del labels  # the volume bears them already
        return {"Type": "volume", "Source": self._volume.name, "Target": target}

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them."""
        with self._holder() as container:
            return self._sent.write_back(
                patterns, checkout, lambda root: self._volume.docker.get_archive(container, f"{box.WORKSPACE}/{root}")
            )

    def keep(self) -> str:
        """Leave the volume to the user; its name is returned."""
        if self._entry is not None:
            self._volume.ledger.strike(self._entry)
        return f"the engine's volume {self._volume.name}"

    def close(self) -> None:
        """Remove the volume; its containers must be gone. Raises EngineError."""
        if self._entry is not None:
            self._volume.docker.remove_volume(self._volume.name)
            self._volume.ledger.strike(self._entry)

    @contextlib.contextmanager
    def _holder(self) -> Iterator[str]:
        """A container that is never started: by it the engine lets files in and out of the volume."""
        volume = self._volume
        mounts = [self.mount(box.WORKSPACE, volume.labels)]
        body = {
            "Image": volume.image,
            "Entrypoint": ["true"],
            "Labels": dict(volume.labels),
            "HostConfig": {"Mounts": mounts, "NetworkMode": "none"},
        }
        with noted.container(volume.docker, volume.ledger, "holder", body) as container:
            yield container
