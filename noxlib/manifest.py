"""What a cache entry holds: each file with its size and SHA-256, each link with its target, in ``manifest.json``."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib import atomic

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 1 << 20


class Manifest(msgspec.Struct, frozen=True):
    """Paths are relative to the entry's ``files``; a file is ``(size in bytes, SHA-256)``."""

    files: dict[str, tuple[int, str]] = {}
    links: dict[str, str] = {}
    version: int = 1


def write(entry: Path) -> None:
    """Write ``manifest.json`` and ``size`` (the sum in bytes) of what lies below ``entry/files``. Raises OSError."""
    root = entry / "files"
    files: dict[str, tuple[int, str]] = {}
    links: dict[str, str] = {}
    for path in _walk(root):
        name, mode = os.path.relpath(path, root), path.lstat().st_mode
        if stat.S_ISLNK(mode):
            links[name] = os.fspath(path.readlink())
        elif stat.S_ISREG(mode):
            files[name] = (path.stat().st_size, checksum(path))
    atomic.write(entry / "manifest.json", atomic.to_json(Manifest(files, links)))
    atomic.write(entry / "size", str(sum(size for size, _ in files.values())).encode())


def damage(entry: Path, *, verify: bool = False) -> str | None:
    """What is wrong with an entry, in a few words, or None. With ``verify`` every byte is read."""
    try:
        manifest = atomic.from_json((entry / "manifest.json").read_bytes(), Manifest)
    except (OSError, ValueError) as error:
        return f"its manifest: {error}"
    root = os.fspath(entry / "files")
    for name, (size, digest) in manifest.files.items():
        found = _damaged_file(os.path.join(root, name), size, digest if verify else None)  # noqa: PTH118 - thousands
        if found:
            return f"{name}: {found}"
    for name, target in manifest.links.items():
        if not _is_link_to(os.path.join(root, name), target):  # noqa: PTH118 - pathlib is slow on thousands of files
            return f"{name}: no link to {target}"
    return None


def total(entry: Path) -> int:
    """The size of an entry's files in bytes as its manifest recorded it; 0 if that cannot be read."""
    try:
        return int((entry / "size").read_bytes())
    except (OSError, ValueError):
        return 0


def checksum(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _walk(root: Path) -> Iterator[Path]:
    for folder, names, files in os.walk(root):
        yield from (Path(folder, name) for name in files)
        yield from (Path(folder, name) for name in names if Path(folder, name).is_symlink())


def _damaged_file(path: str, size: int, digest: str | None) -> str | None:
    try:
        status = os.lstat(path)
    except OSError as error:
        return str(error.strerror)
    if not stat.S_ISREG(status.st_mode):
        return "no file"
    if status.st_size != size:
        return f"{status.st_size} bytes where {size} were written"
    return None if digest is None or checksum(Path(path)) == digest else "another checksum"


def _is_link_to(path: str, target: str) -> bool:
    try:
        return os.fspath(Path(path).readlink()) == target
    except OSError:
        return False
