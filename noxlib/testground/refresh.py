"""What has become newer, packages and base images, and what is known to be vulnerable; told as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines.pipaudit import Audit
from noxlib.testground import diff, pylock
from noxlib.testground.diff import Change
from noxlib.testground.inventory import Inventory, Package

if TYPE_CHECKING:
    from collections.abc import Iterable


class Base(msgspec.Struct, frozen=True):
    """An image that testgrounds build on. ``unknown`` says why its registry could not tell."""

    reference: str
    before: Optional[str]  #: digest; None: it has not been here
    now: Optional[str]
    unknown: str = ""


class Refreshed(msgspec.Struct, frozen=True):
    """One Python. ``note`` says why its lock was left alone, where it was."""

    python: str
    file: str
    packages: tuple[Change, ...]
    bases: tuple[Base, ...]
    audit: Audit
    note: str = ""

    @property
    def is_changed(self) -> bool:
        """Whether there is anything to propose."""
        newer = (base for base in self.bases if base.before is not None)  # of others nobody knows what was before
        return bool(self.packages) or any(base.now not in (None, base.before) for base in newer)


def packages(text: str, name: str, python: str, platform: str) -> tuple[Package, ...]:
    """What a pylock.toml installs. Raises LockError."""
    entries = pylock.chosen(pylock.packages(text, name), pylock.environment(python, platform))
    return tuple(sorted(Package("pypi", key, str(entry.get("version", ""))) for key, entry in entries.items()))


def changes(before: tuple[Package, ...], after: tuple[Package, ...]) -> tuple[Change, ...]:
    """What is added, removed, and in another version."""
    return diff.compare(Inventory(before), Inventory(after)).changes


def markdown(found: Iterable[Refreshed]) -> str:
    """Text for a pull request, or for the summary of a job."""
    parts = ["## Testgrounds as of now\n"]
    for one in found:
        parts.append(f"### Python {one.python}\n")
        parts += [_base(base) for base in one.bases]
        parts.append(_packages(one))
        parts.append(_audit(one.audit))
    return "\n".join(parts)


def _base(base: Base) -> str:
    name = _code(base.reference)
    if base.now is None:
        return f"Base image {name}: not asked for, {_plain(base.unknown)}.\n"
    if base.now == base.before:
        return f"Base image {name}: unchanged, {_code(base.now)}.\n"
    return f"Base image {name}: {_code(base.before) if base.before else 'not here yet'}, now {_code(base.now)}.\n"


def _packages(one: Refreshed) -> str:
    if one.note:
        return f"Packages: {_plain(one.note)}.\n"
    if not one.packages:
        return f"Packages: unchanged in {_code(one.file)}.\n"
    rows = [(change.what, change.name, change.before or "", change.after or "") for change in one.packages]
    return f"Packages, in {_code(one.file)}:\n\n{_table(('', 'package', 'before', 'now'), rows)}"


def _audit(audit: Audit) -> str:
    if audit.unknown:
        return f"Known vulnerabilities: could not be asked for, {_plain(audit.unknown)}.\n"
    left = f" Not asked for: {', '.join(map(_plain, audit.skipped))}." if audit.skipped else ""
    if not audit.found:
        return f"Known vulnerabilities: none.{left}\n"
    rows = [(one.package, one.version, one.id, ", ".join(one.fixed)) for one in audit.found]
    return f"Known vulnerabilities:{left}\n\n{_table(('package', 'version', 'id', 'fixed in'), rows)}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, tuple("---" for _ in columns), *(tuple(map(_plain, row)) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _plain(text: str) -> str:
    """Text that Markdown, HTML and mentions of people make nothing of: names come from an index."""
    safe = re.sub(r"[^\x20-\x7e\xa0-\uffff]+", " ", text)[:200]
    return re.sub(r"([\\`*_{}\[\]<>()#!|@~&])", r"\\\1", safe)


def _code(text: str) -> str:
    return f"`{re.sub(r'[^A-Za-z0-9._:/@+-]+', '-', text)[:200]}`"
