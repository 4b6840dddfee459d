"""What a detection gives back: the value, and from where."""

from __future__ import annotations

from typing import NamedTuple


class Found(NamedTuple):
    """Detected names or files, and their origin as ``nox -s doctor`` shows it."""

    values: tuple[str, ...]
    origin: str
