"""Single values: what they may be, and what was meant by what they may not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.config import values
from noxlib.config.checks import check_image, check_python
from noxlib.config.expressions import check_expression


@pytest.mark.parametrize(
    ("text", "size"),
    [("512m", 512 << 20), ("2g", 2 << 30), ("1.5 GiB", 3 << 29), ("64K", 65536), ("10", 10), ("1tb", 1 << 40)],
)
def test_sizes_are_powers_of_1024(text: str, size: int) -> None:
    assert values.parse_size(text) == size


@pytest.mark.parametrize("text", ["", "0", "0m", "-1g", "2 gigs", "g", "1e3", "½g", "1.g", "0.1b"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a size above zero"):
        values.parse_size(text)


@pytest.mark.parametrize("text", ["3.9", "3.12", "3.14t", "pypy3.11", "3.20"])
def test_pythons_are_named_as_uv_names_them(text: str) -> None:
    check_python(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("3.10.4", "3.10"),
        ("python3.10", "3.10"),
        ("py310", "3.10"),
        ("cpython-3.12", "3.12"),
        ("pypy-3.11", "pypy3.11"),
        ("pypy3.11t", "pypy3.11"),
        ("3.12t", "3.12"),
        ("3.1", "3.1"),
        ("2.7", "3.9"),
        ("3.8", "3.9"),
        ("3.99", "3.9"),
    ],
)
def test_a_python_that_does_not_exist_gets_the_nearest_name(text: str, meant: str) -> None:
    with pytest.raises(ValueError, match="as uv names it") as caught:
        check_python(text)
    assert caught.value.args[1].startswith(meant)


@given(st.text(max_size=12))
def test_the_names_of_pythons_are_exactly_those_that_the_check_takes(text: str) -> None:
    try:
        values.check_python(text)
    except ValueError:
        assert text not in values.python_names()
    else:
        assert text in values.python_names()


@pytest.mark.parametrize("name", values.python_names())
def test_every_name_of_a_python_is_taken(name: str) -> None:
    values.check_python(name)


def test_a_python_has_a_tag_for_the_names_of_files() -> None:
    assert [values.python_tag(name) for name in ("3.10", "3.14t", "pypy3.11")] == ["py310", "py314t", "pypy311"]


@pytest.mark.parametrize("name", ["a", "ghcr.io/owner/name", "localhost:5000/a/b-c__d", "a.b_c"])
def test_image_names_follow_the_oci_grammar(name: str) -> None:
    check_image(name)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("ghcr.io/Owner/Name", "ghcr.io/owner/name"),
        ("name:tag", "name"),
        ("a b; rm -rf /", "a-b-rm-rf"),
        ("$(id)", "id"),
        ("a" * 300, "a" * 100),
    ],
)
def test_a_hostile_image_name_is_refused_and_a_clean_one_offered(name: str, nearest: str) -> None:
    with pytest.raises(ValueError, match="an image name in lower case") as caught:
        check_image(name)
    assert caught.value.args[1] == nearest


@given(st.text(max_size=60))
def test_what_is_offered_for_an_image_name_is_valid_or_empty(text: str) -> None:
    try:
        check_image(text)
    except ValueError as error:
        if error.args[1]:
            check_image(error.args[1])


@pytest.mark.parametrize("text", ["2025-01-31", "2025-01-31T12:00:00Z", "2025-01-31T12:00:00+02:00"])
def test_a_day_or_a_time_with_its_zone_is_taken(text: str) -> None:
    values.check_day(text)


@pytest.mark.parametrize(
    "text", ["", "2025-13-01", "2025-02-30", "yesterday", "2025-01-31T12:00:00", "20250131", "7 days"]
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a day such as"):
        values.check_day(text)


@pytest.mark.parametrize(
    "text",
    ["", "not integration and not vmtest", "a or (b and not c)", "slow-test", "device(kind='gpu', count=2)", "a.b:c"],
)
def test_marker_expressions_are_boolean(text: str) -> None:
    check_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "not",
        "a b",
        "a and",
        "__import__('os').system('id')",
        "[x for x in y]",
        "a == b",
        "(",
        "lambda: 1",
        "1",
        "not 1",
        "f('x')",
    ],
)
def test_what_is_no_marker_expression_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a marker expression such as"):
        check_expression(text)


@given(st.text(max_size=40))
def test_any_text_is_either_a_marker_expression_or_a_value_error(text: str) -> None:
    try:
        check_expression(text)
    except ValueError as error:
        assert "a marker expression" in str(error)  # noqa: PT017 - either way is right


@pytest.mark.parametrize(
    ("text", "days"),
    [("90 days", 90), ("1 day", 1), ("12 hours", 0.5), ("2w", 14), ("0d", 0), ("1.5 d", 1.5), (" 3 Weeks ", 21)],
)
def test_an_age_is_so_many_days(text: str, days: float) -> None:
    assert values.parse_age(text) == days


def test_forever_is_no_number_of_days() -> None:
    assert values.parse_age("Forever") is None


@pytest.mark.parametrize("text", ["", "90", "days", "-1 day", "1e9 d", "٣ days", "90 days old", "inf d", "1234567d"])
def test_what_is_no_age_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="forever"):
        values.parse_age(text)


@given(st.text())
def test_any_text_is_an_age_or_refused_as_none(text: str) -> None:
    try:
        days = values.parse_age(text)
    except ValueError:
        return
    assert days is None or days >= 0
