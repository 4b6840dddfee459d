"""What was sent of a checkout to a place that does not see this machine's files, and what of it came back changed."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING, Callable, Optional

from noxlib import temporary
from noxlib.places import carry, mirror, tars

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Takes a path relative to the workspace (``""`` is all of it) and gives its tar, named by the path's last part.
Fetch = Callable[[str], "Optional[Iterable[bytes]]"]


class Sent:
    """The checkout with the prepared tree laid over it, as it was sent."""

    def __init__(self, checkout: Path, prepared_tree: Optional[Path]) -> None:
        self._checkout = checkout
        self._prepared = prepared_tree
        self._sent: mirror.Snapshot = {}

    def files(self) -> Iterator[tuple[str, Path]]:
        """Entries for ``tars.pack``, relative to the workspace. Raises OSError."""
        yield ".", self._checkout  # the workspace's own mode and owner
        self._sent = mirror.snapshot(self._checkout)
        yield from ((name, self._checkout / name) for name in self._sent)
        if self._prepared is not None:
            extra = mirror.snapshot(self._prepared, everything=True)
            yield from ((name, self._prepared / name) for name in extra if name not in self._sent)

    def write_back(
        self, patterns: Sequence[str], checkout: Path, fetch: Fetch, names: Optional[set[str]] = None
    ) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; removals only where ``patterns`` name them.

        ``names`` is all that is there now, for a place whose ``fetch`` gives what changed of the whole workspace.
        """
        wanted = (*carry.ALWAYS, *patterns)
        with temporary.folder() as saved:
            seen, written = self._fetched(fetch, wanted, saved, roots(wanted) if names is None else ("",))
            there = seen if names is None else names
            gone = [name for name in self._sent if name not in there and carry.matches(name, patterns)]
            return (*carry.carry(written, checkout), *carry.remove(gone, checkout))

    def _fetched(
        self, fetch: Fetch, wanted: Sequence[str], folder: Path, below_roots: Sequence[str]
    ) -> tuple[set[str], list[tuple[str, Path]]]:
        """All names below the folders that the globs can mean, and the changed files among them, saved here."""
        seen: set[str] = set()
        written: list[tuple[str, Path]] = []
        for root in below_roots:
            for below, member, tar in tars.members(fetch(root) or ()):
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
        with tars.whole():
            path.symlink_to(member.linkname)
    else:
        tars.save(member, tar, path)
