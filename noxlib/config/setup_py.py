"""What a setup.py says of itself in literals; it is read, never run."""

from __future__ import annotations

import ast
from typing import Any, Optional

import msgspec


class SetupPy(msgspec.Struct, frozen=True):
    """The literal arguments of ``setup()``; ``extras`` is None where they are computed or absent."""

    name: str = ""
    python_requires: str = ""
    extras: Optional[tuple[str, ...]] = None
    readable: bool = True


def read_setup_py(source: str) -> SetupPy:
    """Best effort: a value that is computed is left out; Python 2 code gives ``readable=False``."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return SetupPy(readable=False)
    names = _assigned(tree)
    keywords = {word.arg: names.get(_name(word.value), word.value) for word in _setup_keywords(tree) if word.arg}
    return SetupPy(
        name=_text(keywords.get("name")),
        python_requires=_text(keywords.get("python_requires")),
        extras=_keys(keywords.get("extras_require"), tree),
    )


def _setup_keywords(tree: ast.Module) -> list[ast.keyword]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _name(node.func) == "setup":
            return node.keywords
    return []


def _assigned(tree: ast.Module) -> dict[str, ast.expr]:
    """Module level names and what was assigned to them last."""
    return {
        _name(target): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if _name(target)
    }


def _name(node: Any) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _text(node: Optional[ast.expr]) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _keys(node: Optional[ast.expr], tree: ast.Module) -> Optional[tuple[str, ...]]:
    """The keys of a literal dictionary, or of ``dict(test=[…])``, and those added by ``extras["all"] = …``."""
    if isinstance(node, ast.Dict):
        keys = [_text(key) for key in node.keys]
    elif isinstance(node, ast.Call) and _name(node.func) == "dict" and not node.args:
        keys = [word.arg or "" for word in node.keywords]
    else:
        return None
    return tuple(dict.fromkeys((*filter(None, keys), *_subscripts(tree)))) if all(keys) else None


def _subscripts(tree: ast.Module) -> list[str]:
    targets = [target for node in tree.body if isinstance(node, ast.Assign) for target in node.targets]
    return [
        _text(target.slice)
        for target in targets
        if isinstance(target, ast.Subscript) and "extra" in _name(target.value) and _text(target.slice)
    ]
