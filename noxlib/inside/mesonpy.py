"""Editable installs of meson-python, whose import hook would run ninja again at the first import.

A testground has neither ninja nor a compiler, and its checkout is newer than every object file. What extensions are
built from is part of the prepared files' key, so there is nothing to rebuild. (``MESONPY_EDITABLE_SKIP`` would not
help: it turns the hook off altogether.)
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from .names import installing

if TYPE_CHECKING:
    from pathlib import Path


def leave_built(site: Path) -> None:
    """Let the generated loaders in ``site`` run ``true`` instead of ninja."""
    for loader in sorted(site.glob("_*_editable_loader.py")):
        text = loader.read_text(encoding="utf-8")
        calls = installing(ast.parse(text))
        commands = [argument for call in calls for argument in call.args if isinstance(argument, ast.List)]
        for command in commands:
            text = text.replace(ast.get_source_segment(text, command) or "\0", "['true']")
        loader.write_text(text, encoding="utf-8")
