"""A Project made by hand."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from noxlib.config.models import Config
from noxlib.config.project import BuildSystem, Project

if TYPE_CHECKING:
    from pathlib import Path

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

PYPROJECT = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "demo"
version = "1.0"
dependencies = ["attrs"]

[project.optional-dependencies]
test = ["pytest"]
"""


def make_project(folder: Path, files: dict[str, str] | None = None, **changes: Any) -> Project:
    """Write files into ``folder/project`` and describe them as a Project, no detection involved."""
    root = folder / "project"
    for name, text in {"pyproject.toml": PYPROJECT, **(files or {})}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, "utf-8")
    metadata = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))
    values: dict[str, Any] = {
        "root": root,
        "name": "demo",
        "config": Config(),
        "pythons": ("3.10",),
        "extras": ("test",),
        "groups": (),
        "group_requirements": (),
        "requirements": (),
        "test_paths": (),
        "build": BuildSystem(("hatchling",), "hatchling.build"),
        "lock_kind": "none",
        "lock_files": {},
        "dockerfile": None,
        "is_package": True,
        "coverage": False,
        "metadata": metadata,
        "facts": (),
    }
    return Project(**{**values, **changes})
