"""The scratch folder of an overlay from its first day to its last, which may need the engine's help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Optional

from noxlib.places import box, noted
from noxlib.places.overlay import Overlay, remove_scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger


class Scratch:
    """An overlay workspace: written to the ledger before it exists, struck out when it is gone."""

    def __init__(self, docker: Docker, image: str, ledger: Ledger, *, run: str, overlay: Overlay, folder: Path) -> None:
        self._run = run
        self._docker = docker
        self._image = image
        self._ledger = ledger
        self._overlay = overlay
        self._folder = folder
        self._entry: Optional[Entry] = None

    def create(self) -> None:
        """Make the folder. Raises OSError."""
        details = {"endpoint": str(self._docker.endpoint), "image": self._image, "run": self._run}
        self._entry = self._ledger.add("scratch", str(self._folder), details=details)
        self._overlay.create()

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """The overlay as a container's own volume."""
        return self._overlay.mount(target, labels)

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout."""
        return self._overlay.write_back(patterns, checkout)

    def keep(self) -> str:
        """Leave the folder to the user: what tests wrote lies below the path returned."""
        if self._entry is not None:
            self._ledger.strike(self._entry)
        return str(self._overlay.upper)

    def close(self) -> None:
        """Remove the folder. Raises OSError and EngineError."""
        if self._entry is not None:
            remove(lambda: self._docker, self._image, self._ledger, self._folder)
            self._ledger.strike(self._entry)


def remove(engine: Callable[[], Docker], image: str, ledger: Ledger, folder: Path) -> None:
    """Remove a scratch folder.

    Where tests removed files of the checkout, the kernel leaves a file of root in ``work/work``, which only root may
    remove; mounting the overlay once more makes the kernel do it. The engine mounts it to look for a file in it, which
    takes 0.02 s.

    Raises:
        OSError: It cannot be removed even so.
        EngineError: The engine fails.
    """
    try:
        remove_scratch(folder)
    except PermissionError:
        _mount_once(engine(), image, ledger, folder)
        remove_scratch(folder)


def _mount_once(docker: Docker, image: str, ledger: Ledger, folder: Path) -> None:
    lower = folder / "empty"
    lower.mkdir(exist_ok=True)
    (folder / "upper").mkdir(exist_ok=True)
    host = {"Mounts": [Overlay(lower, None, folder).mount(box.WORKSPACE, {})], "NetworkMode": "none"}
    body = {"Image": image, "Entrypoint": ["true"], "HostConfig": host}
    with noted.container(docker, ledger, "wash", body) as container:
        docker.get_archive(container, f"{box.WORKSPACE}/there-is-no-such-file")
