"""One fact of this machine, as ``doctor`` tells it."""

from __future__ import annotations

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One fact of this machine. ``needed``: the configuration cannot do without it."""

    name: str
    value: str
    ok: bool = True
    needed: bool = False
    fix: str = ""
