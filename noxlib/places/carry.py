"""Carry files that tests wrote back into the checkout: never outside it, never through a link, never into .git."""

from __future__ import annotations

import fnmatch
import os
import shutil
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib import temporary

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: What pytest and hypothesis keep between runs; without it ``--lf`` knows nothing.
ALWAYS = (".pytest_cache/**", ".hypothesis/**")


def matches(relative: str, patterns: Sequence[str]) -> bool:
    """Whether a relative POSIX path, or a folder above it, matches a glob. ``**`` is any number of folders."""
    parts = tuple(relative.split("/"))
    wanted = [tuple(part for part in pattern.split("/") if part not in ("", ".")) for pattern in patterns]
    return any(pattern and _covers(parts, pattern) for pattern in wanted)


def _covers(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    return any(_match(parts[:count], pattern) for count in range(1, len(parts) + 1))


def _match(parts: tuple[str, ...], pattern: tuple[str, ...]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_match(parts[start:], pattern[1:]) for start in range(len(parts) + 1))
    return bool(parts) and fnmatch.fnmatchcase(parts[0], pattern[0]) and _match(parts[1:], pattern[1:])


def files_below(folder: Path, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Relative path and entry of everything below a folder that is no folder itself; links are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except PermissionError:  # a test's own folder of mode 000 is nothing to carry
        return
    for entry in entries:
        relative = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from files_below(Path(entry.path), relative + "/")
        else:
            yield relative, entry


def carry(sources: Iterable[tuple[str, Path]], checkout: Path) -> tuple[str, ...]:
    """Copy files to the checkout, each whole or not at all; a checkout that cannot be written is told in one line.

    Args:
        sources: Relative POSIX path in the checkout, and the file or link to copy there.
        checkout: Root of the checkout.

    Returns:
        The relative paths that changed.
    """
    changed = []
    for relative, source in sources:
        try:
            if _may_go_to(relative, checkout) and _place(source, checkout / relative, checkout):
                changed.append(relative)
        except OSError as error:
            print(f"noxlib: {relative} is not carried back to the checkout: {error.strerror}", flush=True)
            if not os.access(checkout, os.W_OK):  # the others would say the same
                break
    return tuple(changed)


def remove(relatives: Iterable[str], checkout: Path) -> tuple[str, ...]:
    """Remove files from the checkout that tests removed, by the rules of ``carry``; the relative paths removed."""
    gone = []
    for relative in relatives:
        target = checkout / relative
        if _may_go_to(relative, checkout) and os.path.lexists(target) and not _is_folder(target):
            target.unlink()
            gone.append(relative)
    return tuple(gone)


def _may_go_to(relative: str, checkout: Path) -> bool:
    parts = relative.split("/")
    if any(part in ("", ".", "..") or part.lower() == ".git" for part in parts):
        return False
    folder = checkout
    for part in parts[:-1]:
        folder /= part
        if os.path.lexists(folder) and not _is_folder(folder):
            return False
    return not _is_folder(checkout / relative)


def _is_folder(path: Path) -> bool:
    """A real folder, not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def _place(source: Path, target: Path, checkout: Path) -> bool:
    mode = source.lstat().st_mode
    if stat.S_ISLNK(mode):
        return _place_link(source.readlink(), target, checkout)
    if not stat.S_ISREG(mode) or _same(source, target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary.folder(target.parent, ".noxlib-") as aside:
        shutil.copyfile(source, aside / "file")
        (aside / "file").chmod(stat.S_IMODE(mode) & 0o777)
        (aside / "file").replace(target)
    return True


def _place_link(to: Path, target: Path, checkout: Path) -> bool:
    """A link is carried only if it leads to something inside the checkout, by whatever other links."""
    if to.is_absolute() or (target.is_symlink() and target.readlink() == to):
        return False
    root = checkout.resolve()
    if root not in ((target.parent / to).resolve(), *(target.parent / to).resolve().parents):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary.folder(target.parent, ".noxlib-") as aside:
        (aside / "link").symlink_to(to)
        (aside / "link").replace(target)
    return True


def _same(source: Path, target: Path) -> bool:
    """Equal content and mode: then the checkout's file keeps its time."""
    try:
        there = target.lstat()
    except FileNotFoundError:
        return False
    here = source.stat()
    if not stat.S_ISREG(there.st_mode) or (here.st_size, here.st_mode & 0o777) != (
        there.st_size,
        there.st_mode & 0o777,
    ):
        return False
    return source.read_bytes() == target.read_bytes()
