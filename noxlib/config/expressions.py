"""Marker expressions (``pytest -m``), checked before anything starts."""

from __future__ import annotations

import ast
import re

# pytest's marks may hold these between letters, Python's names may not (_pytest/mark/expression.py).
_INNER = re.compile(r"(?<=\w)[-:+./](?=\w)")
_ALLOWED = (
    ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.Name, ast.Load,
    ast.Call, ast.keyword, ast.Constant, ast.USub,
)  # fmt: skip


def check_expression(text: str) -> None:
    """A boolean expression over marks: ``not integration and (fast or device(kind="gpu"))``; empty selects all.

    Raises:
        ValueError: it is none.
    """
    if not text.strip():
        return
    try:
        tree = ast.parse(_INNER.sub("_", text.strip()), mode="eval")
        valid = all(_allowed(node) for node in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        valid = False
    if not valid:
        raise ValueError('a marker expression such as "not integration and not slow"')


def _allowed(node: ast.AST) -> bool:
    """A call takes keywords only, and only a call's keywords may be constants or have a sign."""
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and not node.args
    if isinstance(node, (ast.BoolOp, ast.Expression)):
        parts = node.values if isinstance(node, ast.BoolOp) else [node.body]
        return not any(isinstance(part, ast.Constant) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        return not isinstance(node.operand, ast.Constant)
    return isinstance(node, _ALLOWED)
