"""A workspace of a limited size: all that the tests write goes to a file system in memory that holds no more."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable

from noxlib import temporary
from noxlib.errors import EngineError
from noxlib.places import box, carry, tars
from noxlib.places.overlay import Overlay

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from noxlib.ledger import Entry
    from noxlib.places.volume import Volume

ROOT = "/noxlib-disk"  #: where the container has it that keeps it mounted
#: What the tests' container sees in its place, beside the workspace.
FOLDERS = {"tmp": "/tmp", "vartmp": "/var/tmp", "home": box.HOME}  # noqa: S108 - of the container
_MAKE = "cd {root} && mkdir -m {mode:o} upper && mkdir work && mkdir -m 1777 {folders}"
_HOLD = "exec sleep 2147483647"


class Sized:
    """The same interface as ``Scratch``, over a tmpfs of the engine's own.

    A tmpfs lives as long as it is mounted: a container that sleeps keeps it, from ``create`` to ``close``.

    Args:
        volume: Of an engine of this machine, which can mount an overlay.
        size: Bytes.
    """

    def __init__(self, volume: Volume, size: int) -> None:
        self._volume = volume
        self._size = size
        self._root = ""  # where the engine has mounted it
        self._end = contextlib.ExitStack()

    def create(self) -> None:
        """Make it, and keep it mounted. Raises EngineError."""
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self) -> None:
        volume = self._volume
        docker, name = volume.docker, volume.name
        self._end.callback(self._remove, docker.remove_volume, volume.written_down("volume"))
        docker.create_volume(name, volume.labels, {"type": "tmpfs", "device": "tmpfs", "o": self._options()})
        self._end.callback(self._remove, docker.remove, volume.written_down("container"))
        docker.create(name, self._holder())
        docker.start(name)
        mode = volume.checkout.stat().st_mode & 0o777 | 0o700  # the workspace's own
        made = _MAKE.format(root=ROOT, mode=mode, folders=" ".join(FOLDERS))
        code, said = docker.execute(name, ("/bin/sh", "-c", made))
        if code:
            told = said.decode("utf-8", "replace").strip()
            raise EngineError(f"a disk of limited size cannot be made: {told}", "raise `disk`, or leave it out")
        self._root = next(one["Mountpoint"] for one in docker.volumes(volume.labels) if one["Name"] == name)

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """The overlay as a container's own volume, its upper layer in the sized file system."""
        return Overlay(self._volume.checkout, self._volume.prepared_tree, Path(self._root)).mount(target, labels)

    def join(self, host: dict[str, Any]) -> dict[str, Any]:
        """The engine's HostConfig of the tests' container, where all else that they write to is in here too."""
        binds = [box.Bind(f"{self._root}/{own}", path, read_only=False).mount() for own, path in FOLDERS.items()]
        return {**host, "Mounts": [*host["Mounts"], *binds], "Tmpfs": {}}

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout. What they removed stays there."""
        wanted = (*carry.ALWAYS, *patterns)
        with temporary.folder() as saved:
            found: list[tuple[str, Path]] = []
            for relative, member, tar in tars.members(self._written()):
                if member.isreg() and carry.matches(relative, wanted):
                    found.append((relative, saved / str(len(found))))
                    tars.save(member, tar, found[-1][1])
            return carry.carry(found, checkout)

    def keep(self) -> str:
        """Leave it to the user: the container that keeps it is named."""
        ledger, name = self._volume.ledger, self._volume.name
        for entry in ledger.entries():
            if entry.name == name:
                ledger.strike(entry)
        self._end.pop_all()
        return f"{ROOT}/upper in the container {name}, and the volume of that name"

    def close(self) -> None:
        """Remove all of it. Raises EngineError; the ledger keeps what is left."""
        self._end.close()

    def _remove(self, removed: Callable[[str], object], entry: Entry) -> None:
        removed(entry.name)
        self._volume.ledger.strike(entry)

    def _written(self) -> Iterable[bytes]:
        return self._volume.docker.get_archive(self._volume.name, f"{ROOT}/upper") or ()

    def _options(self) -> str:
        uid, gid = self._volume.owner
        return f"size={self._size},mode=755,uid={uid},gid={gid}"

    def _holder(self) -> dict[str, Any]:
        volume = self._volume
        mount = {"Type": "volume", "Source": volume.name, "Target": ROOT, "VolumeOptions": {"NoCopy": True}}
        return {
            "Image": volume.image,
            "Entrypoint": ["/bin/sh", "-c", _HOLD],
            "User": "{}:{}".format(*volume.owner),
            "Labels": dict(volume.labels),
            "StopSignal": "SIGKILL",
            "HostConfig": {"Mounts": [mount], "NetworkMode": "none", "Init": True},
        }
