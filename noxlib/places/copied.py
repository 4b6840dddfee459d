"""A workspace for engines that do not see this machine's files (remote, Docker Desktop): a copy in a volume."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, Optional

from noxlib.places import box, noted, tars
from noxlib.places.sent import Sent

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger


class Copied:
    """The checkout and the prepared tree, copied into a labelled volume; the same interface as ``Overlay``."""

    def __init__(
        self,
        docker: Docker,
        image: str,
        ledger: Ledger,
        *,
        name: str,
        owner: tuple[int, int],
        labels: Mapping[str, str],
        checkout: Path,
        prepared_tree: Optional[Path],
    ) -> None:
        self._docker = docker
        self._image = image
        self._ledger = ledger
        self._name = name
        self._owner = owner
        self._labels = labels
        self._entry: Optional[Entry] = None
        self._sent = Sent(checkout, prepared_tree)

    def create(self) -> None:
        """Make the volume and send the files. Raises OSError and EngineError."""
        details = {"endpoint": str(self._docker.endpoint), "run": self._labels[f"{box.LABEL}run"]}
        self._entry = self._ledger.add("volume", self._name, details=details)
        self._docker.create_volume(self._name, self._labels)
        with self._holder() as container, tars.pack(self._sent.files(), *self._owner) as tar:
            self._docker.put_archive(container, box.WORKSPACE, tar)

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """The volume for a container's create call."""
        del labels  # the volume bears them already
        return {"Type": "volume", "Source": self._name, "Target": target}

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them."""
        with self._holder() as container:
            return self._sent.write_back(
                patterns, checkout, lambda root: self._docker.get_archive(container, f"{box.WORKSPACE}/{root}")
            )

    def keep(self) -> str:
        """Leave the volume to the user; its name is returned."""
        if self._entry is not None:
            self._ledger.strike(self._entry)
        return f"the engine's volume {self._name}"

    def close(self) -> None:
        """Remove the volume; its containers must be gone. Raises EngineError."""
        if self._entry is not None:
            self._docker.remove_volume(self._name)
            self._ledger.strike(self._entry)

    @contextlib.contextmanager
    def _holder(self) -> Iterator[str]:
        """A container that is never started: by it the engine lets files in and out of the volume."""
        mounts = [self.mount(box.WORKSPACE, self._labels)]
        body = {
            "Image": self._image,
            "Entrypoint": ["true"],
            "Labels": dict(self._labels),
            "HostConfig": {"Mounts": mounts, "NetworkMode": "none"},
        }
        with noted.container(self._docker, self._ledger, "holder", body) as container:
            yield container
