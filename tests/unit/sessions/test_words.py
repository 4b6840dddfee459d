"""A step's own words come before those for pytest, and an option after a word is no surprise of pytest's."""

from __future__ import annotations

import pytest

from noxlib.errors import UsageError
from noxlib.sessions.words import split


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ((), ((), ())),
        (("a",), (("a",), ())),
        (("a", "b"), (("a", "b"), ())),
        (("a", "--", "-k", "x"), (("a",), ("-k", "x"))),
        (("-k", "x"), ((), ("-k", "x"))),
        (("--", "x"), ((), ("x",))),
        (("a", "--"), (("a",), ())),
    ],
)
def test_words_are_split_from_those_for_pytest(rest: tuple[str, ...], expected: object) -> None:
    assert split("step", rest, 2, "[A [B]]") == expected


@pytest.mark.parametrize("rest", [("a", "b", "c"), ("a", "--rounds", "5"), ("a", "-x"), ("a", "b", "-x", "--", "c")])
def test_what_cannot_be_is_refused_with_the_usage(rest: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        split("step", rest, 2, "[A [B]]")
    assert "nox -s step -- [options] [A [B]]" in caught.value.todo
