"""One content-keyed cache: built once under a lock, published by one rename, checked, and kept within a budget.

Layout: ``entries/<key>/{manifest.json,size,files/}``; ``locks/<key>.{build,use}``; ``building/<key>~…`` for what is not
yet, or no longer, an entry. Kernel locks say who builds and who reads: they end with their process, however it ends.
The ``use`` lock's modification time is the time of the last use.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib import atomic, locks, manifest, temporary
from noxlib.errors import CacheError
from noxlib.ledger import state_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Cache", "state_folder"]

_KEY = re.compile(r"[a-z0-9][a-z0-9._-]{0,180}")
_FULL = {errno.ENOSPC, errno.EDQUOT}
_UNUSABLE = {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOLCK, errno.EOPNOTSUPP}
#: Use locks of this process by their path: what was handed out stays valid until the process ends or releases it,
#: whatever becomes of the Cache object.
_held: dict[str, int] = {}


class Cache:
    """A cache below ``folder``, which any number of processes of one user may share.

    Args:
        folder: Made when first written to.
        budget_bytes: After each build and ``sweep`` the least recently used entries go until the rest fits; an entry
            in use stays.
    """

    def __init__(self, folder: Path, budget_bytes: int | None = None) -> None:
        self.folder = folder
        self.budget_bytes = budget_bytes

    def get(self, key: str, *, verify: bool = False) -> Path | None:
        """The files of an entry, or None; a damaged entry is dropped.

        Existence and size of each file are checked, with ``verify`` its SHA-256 too. The entry counts as in use until
        ``release`` or the end of this process. Raises CacheError.
        """
        with _explained(self.folder):
            found = self._checked(key, verify=verify)
            if isinstance(found, str):
                with locks.if_free(self._build_lock(key)) as free:
                    if free and isinstance(self._checked(key, verify=verify), str):
                        self._drop(key, found)
                return None
            return found

    def make(self, key: str, builder: Callable[[Path], None]) -> Path:
        """The files of an entry, built by ``builder(empty folder)`` if need be: by one process, while others wait.

        What ``builder`` raises passes through and leaves nothing. Raises CacheError, for instance if the disk is full.
        """
        with _explained(self.folder):
            found = self._checked(key)
            while not isinstance(found, Path):
                with locks.wait_for(self._build_lock(key), f"makes {key}"):
                    found = self._checked(key)
                    if isinstance(found, str):
                        self._drop(key, found)
                    if not isinstance(found, Path):
                        self._build(key, builder)
                found = self._checked(key)  # none again only if another process evicted it in this moment
                self.sweep()
            return found

    def release(self, key: str) -> None:
        """This process no longer reads the entry: it may be evicted."""
        handle = _held.pop(str(self._use_lock(key)), None)
        if handle is not None:
            os.close(handle)

    def sweep(self) -> tuple[str, ...]:
        """Remove what killed builders left and what the budget does not allow; the keys concerned."""
        with _explained(self.folder):
            keys = sorted({path.name.partition("~")[0] for path in self._list("building")})
            return (*(key for key in keys if self._sweep_one(key)), *self._evict())

    def _checked(self, key: str, *, verify: bool = False) -> Path | str | None:
        """The files, what is wrong with them, or None where there is no entry."""
        if not _KEY.fullmatch(key):
            raise CacheError(f"{key!r} is no key of the cache", "a key is made of a-z, 0-9, '.', '_' and '-'")
        entry = self._path("entries", key)
        if not entry.is_dir():
            return None
        self._use(key)
        damage = manifest.damage(entry, verify=verify)
        if damage is None:
            return entry / "files"
        self.release(key)
        return damage if entry.is_dir() else None

    def _use(self, key: str) -> None:
        """Hold the shared lock, which keeps an entry from being evicted, and note the time."""
        path = self._use_lock(key)
        if str(path) not in _held:
            _held[str(path)] = locks.share(path)
        os.utime(_held[str(path)])

    def _build(self, key: str, builder: Callable[[Path], None]) -> None:
        for stale in self._list("building", f"{key}~*"):
            _remove(stale)
        self._path("entries").mkdir(parents=True, exist_ok=True)
        self._path("building").mkdir(exist_ok=True)
        with temporary.folder(self._path("building"), f"{key}~") as made:
            (made / "files").mkdir()
            builder(made / "files")
            manifest.write(made)
            self._use(key)  # before it can be seen, lest another process evicts it
            made.replace(self._path("entries", key))

    def _drop(self, key: str, damage: str) -> None:
        print(f"noxlib: {key} in the cache is damaged ({damage}) and is dropped", flush=True)
        self._take_away(key)

    def _take_away(self, key: str) -> None:
        """One rename, so that nobody meets half an entry; then its files go."""
        self._path("building").mkdir(exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f"{key}~", dir=self._path("building")))
        with contextlib.suppress(FileNotFoundError):  # another was faster
            self._path("entries", key).replace(aside)
        _remove(aside)

    def _evict(self) -> tuple[str, ...]:
        """Take away the least recently used entries until the rest fits the budget."""
        if self.budget_bytes is None or not self._list("entries"):
            return ()
        with locks.if_unshared(self._path("locks", ".evict")) as free:
            keys = [path.name for path in self._list("entries")] if free else []
            excess = sum(manifest.total(self._path("entries", key)) for key in keys) - self.budget_bytes
            gone = []
            for key in sorted(keys, key=self._last_use):
                size = manifest.total(self._path("entries", key))
                if excess > 0 and self._evict_one(key):
                    excess -= size
                    gone.append(key)
            return tuple(gone)

    def _evict_one(self, key: str) -> bool:
        path = self._use_lock(key)
        with locks.if_unshared(path) as free:
            if free:
                self._take_away(key)
                path.unlink()
            return free

    def _last_use(self, key: str) -> float:
        try:
            return self._use_lock(key).stat().st_mtime
        except FileNotFoundError:  # never used since it was made
            return 0.0

    def _sweep_one(self, key: str) -> bool:
        with locks.if_free(self._build_lock(key)) as free:
            for path in self._list("building", f"{key}~*") if free else ():
                _remove(path)
            return free

    def _build_lock(self, key: str) -> Path:
        return self._path("locks", f"{key}.build")

    def _use_lock(self, key: str) -> Path:
        return self._path("locks", f"{key}.use")

    def _path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    def _list(self, folder: str, pattern: str = "*") -> list[Path]:
        return sorted(self._path(folder).glob(pattern))


def _remove(path: Path) -> None:
    """Remove what does not count any more; what cannot be removed now waits for the next sweep."""
    try:
        atomic.remove_tree(path)
    except OSError as error:  # for instance files of root
        print(f"noxlib: {path} cannot be removed: {error.strerror}", flush=True)


@contextlib.contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Two lines for what a disk refuses; a builder's own errors pass."""
    try:
        yield
    except OSError as error:
        ours = error.filename is None or str(error.filename).startswith(str(folder))
        if error.errno in _FULL:
            raise CacheError(
                f"the disk with {folder} is full", "free space there, or set NOXLIB_CACHE_DIR to a folder elsewhere"
            ) from error
        if ours and error.errno in _UNUSABLE:
            raise CacheError(
                f"the cache {folder} cannot be used: {error.strerror}",
                "make the folder writable, or set NOXLIB_CACHE_DIR to a folder elsewhere",
            ) from error
        raise
