"""The lock that a project keeps: its kind and, for each Python, its file."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from noxlib.config.files import read_text
from noxlib.config.requirements import is_hashed
from noxlib.config.values import python_tag

LockKind = Literal["none", "uv.lock", "pylock", "poetry.lock", "pdm.lock", "requirements"]


def pylock_name(python: str) -> str:
    """The lock file of one Python in a checkout, by PEP 751: ``pylock.py310.toml``, ``pylock.pypy311.toml``."""
    return f"pylock.{python_tag(python)}.toml"


def find_locks(root: Path, pythons: tuple[str, ...], requirements: tuple[str, ...]) -> tuple[LockKind, dict[str, str]]:
    """Kind and files; a Python without a file of its own has none, and is resolved."""
    if (root / "uv.lock").is_file():
        return "uv.lock", dict.fromkeys(pythons, "uv.lock")
    own = _pylocks(root, pythons)
    if own:
        return "pylock", own
    if (root / "poetry.lock").is_file():
        return "poetry.lock", dict.fromkeys(pythons, "poetry.lock")
    if (root / "pdm.lock").is_file():
        return "pdm.lock", dict.fromkeys(pythons, "pdm.lock")
    if len(requirements) == 1 and is_hashed(read_text(root / requirements[0])):
        return "requirements", dict.fromkeys(pythons, requirements[0])
    return "none", {}


def _pylocks(root: Path, pythons: tuple[str, ...]) -> dict[str, str]:
    names = {python: (pylock_name(python), "pylock.toml") for python in pythons}
    found = {python: next((name for name in two if (root / name).is_file()), "") for python, two in names.items()}
    return {python: name for python, name in found.items() if name}
