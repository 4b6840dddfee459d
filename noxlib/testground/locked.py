"""A lock on disk: which files it has, where they came from, and the digest over them. Pure data."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

BUILD_FILE = "pylock.build.toml"


class Contents(msgspec.Struct, frozen=True):
    """``lock.json``: what a lock's folder holds."""

    files: tuple[str, ...]  #: names below the folder, in order of installation
    build_files: tuple[str, ...]  #: the locked build back end; empty where nothing is built
    source: str  #: ``resolved``, ``uv.lock``, ``pylock``, ``poetry.lock``, ``pdm.lock``, ``requirements``
    digest: str  #: SHA-256 over the names and contents of all files
    from_source: tuple[str, ...] = ()  #: packages without a fitting wheel: the builder needs a compiler
    needs_git: bool = False  #: a package comes from a repository
    included: tuple[str, ...] = ()  #: what the files include: there, and not installed by itself

    @property
    def every(self) -> tuple[str, ...]:
        """The names of all files, in the order in which they count for the digest."""
        return tuple(dict.fromkeys((*self.files, *self.build_files, *self.included)))


class Lock(msgspec.Struct, frozen=True):
    """The lock of one Python on one platform; see ``Contents`` for the fields that both have."""

    key: str
    folder: Path
    files: tuple[str, ...]
    build_files: tuple[str, ...]
    source: str
    digest: str
    from_source: tuple[str, ...] = ()
    needs_git: bool = False
    included: tuple[str, ...] = ()

    @property
    def contents(self) -> Contents:
        """Its description, as it is handed on with it."""
        return Contents(**{name: getattr(self, name) for name in Contents.__struct_fields__})

    @property
    def every(self) -> tuple[str, ...]:
        """The names of all files."""
        return self.contents.every


def digest(folder: Path, names: tuple[str, ...]) -> str:
    """SHA-256 over names and contents."""
    total = hashlib.sha256()
    for name in names:
        total.update(name.encode() + b"\0" + hashlib.sha256((folder / name).read_bytes()).digest())
    return total.hexdigest()
