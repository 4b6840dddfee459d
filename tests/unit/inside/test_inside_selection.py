"""Marker expressions, ours and the project's."""

from __future__ import annotations

from typing import Any, cast

import pytest

from noxlib.inside import selection


class Item:
    def __init__(self, *marks: str) -> None:
        self.marks = marks

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@pytest.mark.parametrize(
    ("expression", "marks", "expected"),
    [
        ("not integration and not vmtest", (), True),
        ("not integration and not vmtest", ("vmtest",), False),
        ("a or (b and not c)", ("b",), True),
        ("a or (b and not c)", ("b", "c"), False),
        ("a.b-c", ("a.b-c",), True),
        ("device(serial='x')", ("device",), False),
    ],
)
def test_expressions_are_logic_over_marks(expression: str, marks: tuple[str, ...], expected: bool) -> None:
    assert selection.matches(expression, cast("Any", Item(*marks))) is expected


@pytest.mark.parametrize(
    ("own", "select", "joined"),
    [
        ("", "", ""),
        ("", "not a", "not a"),
        ("slow", "", "slow"),
        ("slow or fast", "not a", "(slow or fast) and (not a)"),
        ("(slow or fast) and (not a)", "not a", "(slow or fast) and (not a)"),
        ("not a", "not a", "not a"),
    ],
)
def test_expressions_are_joined_once(own: str, select: str, joined: str) -> None:
    assert selection.join(own, select) == joined


def test_the_markers_that_an_expression_names() -> None:
    assert selection.names("not integration and (slow or not vmtest)") == ["integration", "slow", "vmtest"]
    assert selection.names("") == []
