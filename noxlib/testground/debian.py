"""Which files of an image are those of Debian packages: their lists say so. dpkg's own data are of all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec

from noxlib.testground.inventory import members, text

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from noxlib.testground.tree import Compared

_LIST = re.compile(r"^var/lib/dpkg/info/([^/:]+)(?::[^/:]+)?\.list$")
#: What dpkg, apt, debconf and ldconfig keep of all packages.
_OF_ALL = re.compile(r"^(var/lib/(dpkg|apt)|var/cache/(apt|debconf))(/|$)|^etc/ld\.so\.cache$")
_MOVED = re.compile(r"^(bin|sbin|lib\w*)(?=/)")  # below usr in every system of today, and lists are older


def paths(chunks: Iterable[bytes], packages: Container[str]) -> frozenset[str]:
    """The paths that the lists of these packages name, given an image as a tar. Raises EngineError."""
    found: set[str] = set()
    for name, member, tar in members(chunks):
        listed = _LIST.match(name)
        if listed and listed[1] in packages and member.isreg():
            found.update(_below_usr(line.strip("/")) for line in text(tar, member).splitlines())
    return frozenset(found)


def apart(compared: Compared, owned: frozenset[str]) -> tuple[Compared, dict[str, str]]:
    """What differs but for the files of packages, whose paths these are; and what of those does, dpkg's own too."""
    theirs = {path: what for path, what in compared.differ.items() if owned and _is_of(path, owned)}
    rest = {path: what for path, what in compared.differ.items() if path not in theirs}
    return msgspec.structs.replace(compared, differ=rest), theirs


def _is_of(path: str, owned: frozenset[str]) -> bool:
    return bool(_OF_ALL.match(path)) or _below_usr(path) in owned


def _below_usr(path: str) -> str:
    return _MOVED.sub(r"usr/\1", path)
