"""A copy-on-write workspace at no cost: an overlay of the kernel, mounted by the engine as a container's own volume."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

from noxlib import atomic
from noxlib.places import carry

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

OPTIONS_LIMIT = 4000  #: bytes; the kernel takes one page of mount options


class Overlay:
    """The checkout below, the prepared tree above it, and on top a scratch folder that takes what tests write.

    Args:
        checkout: The working tree; it is only read.
        prepared_tree: Files that the project's build made and that the checkout does not own.
        folder: Scratch folder, absent yet, outside the checkout (inside it, walking the workspace gives ELOOP).
    """

    def __init__(self, checkout: Path, prepared_tree: Optional[Path], folder: Path) -> None:
        self._lower = [path for path in (prepared_tree, checkout) if path is not None]
        self._checkout = checkout
        self._folder = folder

    @property
    def upper(self) -> Path:
        """What tests wrote, as files; what they removed, as character devices 0/0."""
        return self._folder / "upper"

    def create(self) -> None:
        """Make the scratch folder. Raises OSError."""
        self.upper.mkdir(parents=True)
        (self._folder / "work").mkdir()
        self.upper.chmod(stat.S_IMODE(self._checkout.stat().st_mode) | stat.S_IRWXU)  # the workspace's own mode

    def options(self) -> str:
        """The mount's option string. Commas and colons are escaped; a path with a backslash goes by a link."""
        lower = ":".join(_escape(self._plain(path, f"lower{at}")) for at, path in enumerate(self._lower))
        return f"lowerdir={lower},upperdir={_escape(self.upper)},workdir={_escape(self._folder / 'work')}"

    def possible(self) -> bool:
        """Whether the kernel can be told these paths at all."""
        return "\\" not in str(self._folder) and len(os.fsencode(self.options())) < OPTIONS_LIMIT

    def mount(self, target: str, labels: Mapping[str, str]) -> dict[str, Any]:
        """An anonymous volume for a container's create call: it is removed with the container."""
        driver = {"Name": "local", "Options": {"type": "overlay", "device": "overlay", "o": self.options()}}
        options = {"NoCopy": True, "Labels": dict(labels), "DriverConfig": driver}
        return {"Type": "volume", "Target": target, "VolumeOptions": options}

    def write_back(self, patterns: Sequence[str], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them."""
        written, removed = [], []
        for relative, entry in carry.files_below(self.upper):
            if _is_whiteout(entry):
                removed.append(relative)
            elif carry.matches(relative, (*carry.ALWAYS, *patterns)):
                written.append((relative, Path(entry.path)))
        gone = [name for relative in removed for name in _files_of(checkout, relative) if carry.matches(name, patterns)]
        return (*carry.carry(written, checkout), *carry.remove(gone, checkout))

    def close(self) -> None:
        """Remove the scratch folder; the container must be gone. Raises OSError."""
        remove_scratch(self._folder)

    def _plain(self, path: Path, name: str) -> Path:
        if "\\" not in str(path):
            return path
        link = self._folder / name
        if not link.is_symlink():
            link.symlink_to(path)
        return link


def remove_scratch(folder: Path) -> None:
    """Remove an overlay's scratch folder. Raises OSError.

    ``work/work`` is root's and of mode 0000: nobody else can look into it, but it is empty and the folder that holds it
    is ours, so that it can be removed unseen.
    """
    with contextlib.suppress(OSError):  # if it is not empty, the next line tells
        (folder / "work" / "work").rmdir()
    atomic.remove_tree(folder)


def scratch_root(state: Path, checkout: Path) -> Path:
    """Where scratch folders go: below the state folder, or the temporary folder if the former lies in the checkout."""
    root = state / "scratch"
    if checkout.resolve() in (root.resolve(), *root.resolve().parents):
        return Path(tempfile.gettempdir()).resolve() / f"noxlib-{os.getuid()}" / "scratch"
    return root


def _escape(path: Path) -> str:
    return str(path).replace(",", "\\,").replace(":", "\\:")


def _is_whiteout(entry: os.DirEntry[str]) -> bool:
    found = entry.stat(follow_symlinks=False)
    return stat.S_ISCHR(found.st_mode) and found.st_rdev == 0


def _files_of(checkout: Path, relative: str) -> Iterator[str]:
    """The checkout's files that a removal means: the file itself, or all below the folder."""
    path = checkout / relative
    if path.is_dir() and not path.is_symlink():
        yield from (name for name, _ in carry.files_below(path, relative + "/"))
    else:
        yield relative
