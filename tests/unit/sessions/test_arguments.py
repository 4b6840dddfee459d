"""Step options first, the rest to pytest."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import UsageError
from noxlib.sessions.arguments import DRY_RUN, KEEP, PLACE, HelpShown, Option, no_rest, parse

OPTIONS: tuple[Option, ...] = (PLACE, DRY_RUN, KEEP)


def test_step_options_come_first_and_the_rest_keeps_its_order() -> None:
    arguments = parse("unit-3.10", "", ("--place", "venv", "--keep", "-k", "name", "-x", "--dry-run"), OPTIONS)
    assert arguments["place"] == "venv"
    assert arguments["keep"]
    assert not arguments["dry_run"]
    assert arguments.rest == ("-k", "name", "-x", "--dry-run")


def test_a_value_may_be_joined_by_an_equals_sign() -> None:
    assert parse("unit", "", ("--place=venv", "a"), OPTIONS)["place"] == "venv"


def test_after_a_second_separator_everything_is_passed_on() -> None:
    arguments = parse("unit", "", ("--keep", "--", "--place", "venv", "--help"), OPTIONS)
    assert arguments["place"] is None
    assert arguments.rest == ("--place", "venv", "--help")


def test_only_one_separator_is_taken_out() -> None:
    assert parse("unit", "", ("--", "-k", "a", "--", "b"), OPTIONS).rest == ("-k", "a", "--", "b")


def test_a_wrong_choice_is_one_line_that_names_the_choices() -> None:
    with pytest.raises(UsageError, match=r"invalid choice: 'moon'.*container.*venv"):
        parse("unit", "", ("--place", "moon"), OPTIONS)


def test_a_missing_value_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="expected one argument"):
        parse("unit", "", ("--place",), OPTIONS)


@pytest.mark.parametrize("words", [("--from", ""), ("--from=",), ("--many", "a", "--many", "")])
def test_an_empty_value_is_refused_and_never_taken_for_an_option_that_is_absent(words: tuple[str, ...]) -> None:
    options = (Option("--from", "", "REF"), Option("--many", "", "X", many=True))
    with pytest.raises(UsageError, match="was given an empty value"):
        parse("unit", "", words, options)


def test_a_misspelt_option_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no option --plase; the nearest is --place"):
        parse("unit", "", ("--plase", "venv"), OPTIONS)


def test_a_misspelt_option_after_a_separator_is_the_tests_own() -> None:
    assert parse("unit", "", ("--", "--plase"), OPTIONS).rest == ("--plase",)


def test_help_lists_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(HelpShown):
        parse("unit", "What it is for.", ("--help",), OPTIONS)
    text = capsys.readouterr().out
    assert "What it is for." in text
    assert all(option.name in text for option in OPTIONS)


def test_a_step_without_tests_refuses_words() -> None:
    with pytest.raises(UsageError, match="takes no argument 'x'"):
        no_rest("reap", parse("reap", "", ("x",), ()))


@given(st.lists(st.text(), max_size=6))
def test_words_after_the_separator_come_through_unchanged(words: list[str]) -> None:
    assert parse("unit", "", ("--", *words), OPTIONS).rest == tuple(words)
