"""A project on disk, made of a few files."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Callable

import pytest

MakeProject = Callable[..., Path]


@pytest.fixture
def make_project(tmp_path: Path) -> MakeProject:
    """``make_project(pyproject, {"tests/test_a.py": ""})`` gives the root."""

    def make(pyproject: str = "", files: dict[str, str] | None = None) -> Path:
        root = tmp_path / "project"
        root.mkdir(exist_ok=True)
        every = {"pyproject.toml": pyproject, **(files or {})} if pyproject else (files or {})
        for name, text in every.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(dedent(text), encoding="utf-8")
        return root

    return make
