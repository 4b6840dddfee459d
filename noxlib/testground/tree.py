"""An image's files, each with what it is: two images of the same files have the same digest of their tree.

Left out of it, and told apart: times of modification, byte code, and what logs the making of the image.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from noxlib.engines.chunks import SIZE
from noxlib.testground.inventory import members

if TYPE_CHECKING:
    import tarfile
    from collections.abc import Iterable, Mapping

_BYTECODE = re.compile(r"(^|/)__pycache__(/|$)|\.py[co]$")
#: Files that say when and how they were made: apt, dpkg and ldconfig write them, and no program reads them.
_OF_THE_MAKING = re.compile(r"^var/log/|^var/cache/ldconfig/aux-cache$")
_KINDS = {b"0": "file", b"\0": "file", b"1": "hard link", b"2": "link", b"3": "device", b"4": "device", b"5": "folder"}


class Node(NamedTuple):
    """One path: all that makes it what it is, and beside that its time."""

    kind: str
    mode: int
    uid: int
    gid: int
    content: str  #: SHA-256 of a file, target of a link, numbers of a device
    mtime: float

    @property
    def counted(self) -> tuple[object, ...]:
        """All but the time."""
        return self[:-1]


Tree = dict[str, Node]


def read(chunks: Iterable[bytes]) -> Tree:
    """The tree of an image's tar, of which no file is ever in memory as a whole. Raises EngineError."""
    return {name.rstrip("/"): _node(member, tar) for name, member, tar in members(chunks)}


def _node(member: tarfile.TarInfo, tar: tarfile.TarFile) -> Node:
    content = member.linkname.lstrip("/") if member.islnk() else member.linkname
    if member.isreg():
        content = _sha256(tar, member)
    elif member.isdev() and not member.isfifo():
        content = f"{member.devmajor}:{member.devminor}"
    kind = _KINDS.get(member.type, "other")
    return Node(kind, member.mode, member.uid, member.gid, content, float(member.mtime))


def _sha256(tar: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    hashing, content = hashlib.sha256(), tar.extractfile(member)
    while content is not None and (piece := content.read(SIZE)):
        hashing.update(piece)
    return hashing.hexdigest()


def left_out(path: str) -> Literal["", "byte code", "log"]:
    """Why a path does not count; empty for one that does."""
    return "byte code" if _BYTECODE.search(path) else "log" if _OF_THE_MAKING.search(path) else ""


def digest(tree: Tree) -> str:
    """SHA-256 over all that counts, whatever the order in which it came."""
    total = hashlib.sha256()
    for path in sorted(path for path in tree if not left_out(path)):
        total.update("\0".join(map(str, (path, *tree[path].counted))).encode("utf-8", "surrogateescape") + b"\n")
    return f"sha256:{total.hexdigest()}"


class Compared(msgspec.Struct, frozen=True):
    """How two trees differ. Paths are sorted."""

    differ: dict[str, str]  #: path -> in what: ``only before``, ``only after``, ``content``, ``mode``, …
    bytecode: tuple[str, ...] = ()  #: paths of byte code that differ, which does not count
    logs: tuple[str, ...] = ()  #: the same of logs
    times: int = 0  #: how many paths have another time of modification, which does not count


def compare(before: Mapping[str, Node], after: Mapping[str, Node]) -> Compared:
    """Name each path that differs, and in what."""
    found: dict[str, dict[str, str]] = {"": {}, "byte code": {}, "log": {}}
    for path in sorted(before.keys() | after.keys()):
        what = _difference(path, before, after)
        if what:
            found[left_out(path)][path] = what
    both = before.keys() & after.keys()
    times = sum(before[path].mtime != after[path].mtime for path in both)
    return Compared(found[""], tuple(found["byte code"]), tuple(found["log"]), times)


def _difference(path: str, before: Mapping[str, Node], after: Mapping[str, Node]) -> str:
    if path not in before or path not in after:
        return "only before" if path in before else "only after"
    old, new = before[path], after[path]
    differing = (name for name in ("kind", "mode", "uid", "gid", "content") if getattr(old, name) != getattr(new, name))
    return ", ".join(differing)
