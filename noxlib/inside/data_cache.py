"""Made once for all who ask: a cache below a folder, in the layout of ``noxlib.cache`` with the locks that it knows.

(``entries/<key>/{manifest.json,size,files/}``, ``locks/<key>.{build,use}``, ``building/<key>~…``: so noxlib's own cache
keeps it within its budget, and leaves alone what a process uses.)
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
import stat
import tempfile
from typing import TYPE_CHECKING, Any, Callable

from . import tasks

if TYPE_CHECKING:
    from collections.abc import Iterator

VERIFIED = 64 << 20  # bytes of an entry of which every byte is checked, once a process
CHUNK = 1 << 20
FULL = (errno.ENOSPC, errno.EDQUOT)


class DataError(Exception):
    """Test data cannot be had: what happened, and what to do."""

    def __init__(self, what: str, todo: str) -> None:
        super().__init__(f"{what}\n  {todo}")


def default() -> str:
    """The folder of the cache: as NOXLIB_DATA_DIR and NOXLIB_CACHE_DIR say, else the run's own, else the user's."""
    chosen, state = os.environ.get("NOXLIB_DATA_DIR"), os.environ.get("NOXLIB_CACHE_DIR")
    task = tasks.current()
    if chosen:
        folder = os.path.expanduser(chosen)
    elif state:
        folder = os.path.join(os.path.expanduser(state), "data")
    elif task:  # a place has its own HOME, which may lie in memory
        folder = os.path.join(os.path.dirname(task["result"]), "data")
    else:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        folder = os.path.join(home, "noxlib", "data")
    return os.path.abspath(folder)


class Cache:
    """Entries below a folder. What was handed out is held until this process ends, or ``close``."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.held: dict[str, int] = {}
        self.checked: set[str] = set()

    def make(self, key: str, build: Callable[[str], None]) -> str:
        """The folder of an entry's files, built by ``build(empty folder)`` if need be: by one process, others wait.

        Raises DataError where the disk is full or the folder cannot be used; what ``build`` raises else passes.
        """
        with self.explained():
            self.use(key)
            damage = self.damage(key)
            if damage is not None:
                with self.alone(key):
                    damage = self.damage(key)  # another may have built it meanwhile
                    if damage is not None:
                        self.build(key, build, damage)
            return self.path("entries", key, "files")

    def close(self) -> None:
        """Let go of what was handed out."""
        while self.held:
            os.close(self.held.popitem()[1])

    def damage(self, key: str) -> str | None:
        """What is wrong with an entry, in a few words; an empty word where there is none."""
        entry = self.path("entries", key)
        if not os.path.isdir(entry):
            return ""
        try:
            with open(os.path.join(entry, "manifest.json"), encoding="utf-8") as stream:
                files = json.load(stream)["files"]
            verify = key not in self.checked and sum(size for size, _ in files.values()) <= VERIFIED
            for name, (size, digest) in files.items():
                path = os.path.join(entry, "files", name)
                if os.lstat(path).st_size != size or (verify and checksum(path) != digest):
                    return f"{name} is not as it was written"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            return f"{type(error).__name__}: {error}"
        self.checked.add(key)
        return None

    def build(self, key: str, build: Callable[[str], None], damage: str) -> None:
        """Build aside, under the lock, and publish by one rename. A damaged entry goes first."""
        for folder in ("building", "entries"):
            os.makedirs(self.path(folder), exist_ok=True)
        for name in os.listdir(self.path("building")):  # what a killed builder left
            if name.startswith(f"{key}~"):
                shutil.rmtree(self.path("building", name), ignore_errors=True)
        if damage:
            print(f"noxlib: {key} in {self.folder} is damaged ({damage}) and is made again", flush=True)
            os.replace(self.path("entries", key), self.path("building", f"{key}~damaged"))
            shutil.rmtree(self.path("building", f"{key}~damaged"), ignore_errors=True)
        made = tempfile.mkdtemp(prefix=f"{key}~", dir=self.path("building"))
        try:
            os.mkdir(os.path.join(made, "files"))
            build(os.path.join(made, "files"))
            describe(made)
            os.replace(made, self.path("entries", key))
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
        self.checked.add(key)

    def use(self, key: str) -> None:
        """Hold the lock that keeps an entry from being evicted, and note the time of its use."""
        if key not in self.held:
            self.held[key] = self.locked(f"{key}.use", fcntl.LOCK_SH)
        os.utime(self.held[key])

    @contextlib.contextmanager
    def alone(self, key: str) -> Iterator[None]:
        """Hold the lock of who builds. The kernel frees it when its process ends."""
        descriptor = self.locked(f"{key}.build", fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough: a forked child has the file open too
            os.close(descriptor)

    def locked(self, name: str, kind: int) -> int:
        """The descriptor of a lock's file, locked as ``fcntl.flock`` has it, of the file that is there now."""
        os.makedirs(self.path("locks"), mode=0o700, exist_ok=True)
        path = self.path("locks", name)
        while True:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, kind)
                if os.path.exists(path) and os.fstat(descriptor).st_ino == os.stat(path).st_ino:
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # it was removed, or made anew, while we waited

    def path(self, *parts: str) -> str:
        return os.path.join(self.folder, *parts)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Two lines for what a disk refuses: raises DataError."""
        todo = "free space there, or set NOXLIB_DATA_DIR to a folder elsewhere"
        try:
            yield
        except OSError as error:
            if error.errno in FULL:
                raise DataError(f"the disk with {self.folder} is full", todo) from error
            if error.filename is None or str(error.filename).startswith(self.folder):
                todo = "make it yours and writable, or set NOXLIB_DATA_DIR to a folder elsewhere"
                raise DataError(f"the folder of test data {self.folder} cannot be used: {error}", todo) from error
            raise


def describe(entry: str) -> None:
    """Write ``manifest.json`` and ``size`` of what lies below ``entry/files``, which nobody is to change any more."""
    root = os.path.join(entry, "files")
    files: dict[str, Any] = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            files[os.path.relpath(path, root)] = (os.path.getsize(path), checksum(path))
            os.chmod(path, stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    for name, text in (
        ("manifest.json", json.dumps({"files": files, "links": {}, "version": 1})),
        ("size", str(sum(size for size, _ in files.values()))),
    ):
        with open(os.path.join(entry, name), "w", encoding="utf-8") as stream:
            stream.write(text)


def checksum(path: str) -> str:
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
