"""What differs between two testgrounds: packages, base, system, Python, size. Pure."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Literal, Optional

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from noxlib.testground.inventory import Inventory

Kind = Literal["python", "base", "base digest", "system", "pypi", "deb"]


class Change(msgspec.Struct, frozen=True):
    """One thing that differs; null where one side has none."""

    kind: Kind
    name: str
    before: Optional[str]
    after: Optional[str]

    @property
    def what(self) -> str:
        """``added``, ``removed`` or ``changed``."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"


class Difference(msgspec.Struct, frozen=True):
    """All that differs, the packages last; sizes in bytes of all files, unpacked."""

    changes: tuple[Change, ...]
    size_before: int
    size_after: int

    @property
    def packages(self) -> tuple[Change, ...]:
        """Those of packages alone."""
        return tuple(change for change in self.changes if change.kind in ("pypi", "deb"))


def compare(before: Inventory, after: Inventory) -> Difference:
    """What the second has that the first has not, and the other way round."""
    singles: tuple[tuple[Kind, str, str], ...] = (
        ("python", before.python, after.python),
        ("base", before.base, after.base),
        ("base digest", before.base_digest, after.base_digest),
        ("system", before.system, after.system),
    )
    changes = [Change(kind, kind, old or None, new or None) for kind, old, new in singles if old != new]
    old, new = _versions(before), _versions(after)
    keys = sorted(old.keys() | new.keys(), key=lambda key: (key[0] != "pypi", key[1]))
    changes += [Change(*key, old.get(key), new.get(key)) for key in keys if old.get(key) != new.get(key)]
    return Difference(tuple(changes), before.size, after.size)


def _versions(inventory: Inventory) -> Mapping[tuple[Literal["pypi", "deb"], str], str]:
    """A package may be there in several versions, in folders or architectures of their own."""
    found: defaultdict[tuple[Literal["pypi", "deb"], str], list[str]] = defaultdict(list)
    for package in inventory.packages:
        found[package.kind, package.name].append(package.version)
    return {key: ", ".join(dict.fromkeys(sorted(versions))) for key, versions in found.items()}
