"""A workspace for engines that do not see this machine's files (remote, Docker Desktop): a copy in a volume."""

from __future__ import annotations

import contextlib
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from noxlib import temporary
from noxlib.places import box, carry, mirror, tars

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterator, Mapping, Sequence

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
        self._checkout = checkout
        self._prepared = prepared_tree
        self._entry: Optional[Entry] = None
        self._sent: mirror.Snapshot = {}

    def create(self) -> None:
        """Make the volume and send the files. Raises OSError and EngineError."""
        details = {"endpoint": str(self._docker.endpoint), "run": self._labels[f"{box.LABEL}run"]}
        self._entry = self._ledger.add("volume", self._name, details=details)
        self._docker.create_volume(self._name, self._labels)
        with self._holder() as container, tars.pack(self._files(), *self._owner) as tar:
            self._docker.put_archive(container, box.WORKSPACE, tar)

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """The volume for a container's create call."""
        del labels  # the volume bears them already
        return {"Type": "volume", "Source": self._name, "Target": target}

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them."""
        wanted = (*carry.ALWAYS, *patterns)
        with temporary.folder() as saved:
            with self._holder() as container:
                seen, written = self._fetch(container, wanted, saved)
            gone = [name for name in self._sent if name not in seen and carry.matches(name, patterns)]
            return (*carry.carry(written, checkout), *carry.remove(gone, checkout))

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

    def _files(self) -> Iterator[tuple[str, Path]]:
        yield ".", self._checkout  # the workspace's own mode and owner
        self._sent = mirror.snapshot(self._checkout)
        yield from ((name, self._checkout / name) for name in self._sent)
        if self._prepared is not None:
            extra = mirror.snapshot(self._prepared, everything=True)
            yield from ((name, self._prepared / name) for name in extra if name not in self._sent)

    def _fetch(self, container: str, wanted: Sequence[str], folder: Path) -> tuple[set[str], list[tuple[str, Path]]]:
        """All names below the folders that the globs can mean, and the changed files among them, saved here."""
        seen: set[str] = set()
        written: list[tuple[str, Path]] = []
        for root in roots(wanted):
            chunks = self._docker.get_archive(container, f"{box.WORKSPACE}/{root}")
            for below, member, tar in tars.members(chunks or ()) if chunks is not None else ():
                relative = "/".join(part for part in (root, below) if part)
                seen.add(relative)
                if carry.matches(relative, wanted) and self._changed(relative, member):
                    saved = folder / str(len(written))
                    _save(member, tar, saved)
                    written.append((relative, saved))
        return seen, written

    def _changed(self, relative: str, member: tarfile.TarInfo) -> bool:
        if member.isdir():
            return False
        sent = self._sent.get(relative)
        if sent is None:
            return True
        if member.issym():
            return sent.link != member.linkname
        unchanged = (sent.size, sent.mtime_ns // 10**9, stat.S_IMODE(sent.mode)) == (
            member.size,
            int(member.mtime),
            member.mode & 0o7777,
        )
        return not unchanged

    @contextlib.contextmanager
    def _holder(self) -> Iterator[str]:
        """A container that is never started: by it the engine lets files in and out of the volume."""
        name = f"{self._name}-holder"
        details = {"endpoint": str(self._docker.endpoint)}
        entry = self._ledger.add("container", name, details=details)
        mounts = [self.mount(box.WORKSPACE, self._labels)]
        body = {
            "Image": self._image,
            "Entrypoint": ["true"],
            "Labels": dict(self._labels),
            "HostConfig": {"Mounts": mounts, "NetworkMode": "none"},
        }
        try:
            yield self._docker.create(name, body)
        finally:
            self._docker.remove(name)
            self._ledger.strike(entry)


def roots(patterns: Sequence[str]) -> tuple[str, ...]:
    """The folders that globs can mean, none within another: what has to be fetched. ``""`` is the whole workspace."""
    found: set[str] = set()
    for pattern in patterns:
        parts = [part for part in pattern.split("/") if part not in ("", ".")]
        fixed = []
        for part in parts:
            if any(sign in part for sign in "*?["):
                break
            fixed.append(part)
        found.add("/".join(fixed))
    return tuple(sorted(root for root in found if not any(_within(root, other) for other in found)))


def _within(inner: str, outer: str) -> bool:
    return inner != outer and (outer == "" or inner.startswith(outer + "/"))


def _save(member: tarfile.TarInfo, tar: tarfile.TarFile, path: Path) -> None:
    if member.issym():
        path.symlink_to(member.linkname)
    else:
        tars.save(member, tar, path)
