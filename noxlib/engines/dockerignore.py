"""``.dockerignore`` as docker understands it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def matcher(text: str) -> Callable[[str], bool]:
    """A function that says whether a path (POSIX, relative to the context) is left out of it."""
    lines = (line.strip() for line in text.splitlines())
    patterns = [line for line in lines if line and not line.startswith("#")]
    if not patterns:
        return lambda _path: False
    from docker.utils.build import PatternMatcher  # noqa: PLC0415 - 60 ms, and most projects have no such file

    rules = PatternMatcher(patterns)
    return lambda path: bool(rules.matches(path))  # type: ignore[arg-type] # it splits a str
