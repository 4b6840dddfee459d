"""Poetry's constraints become PEP 508, with the meaning that poetry gives them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from noxlib.config.poetry import NotExpressible, requirement
from noxlib.config.poetry_versions import one_specifier, python_marker, specifier
from noxlib.errors import ConfigError

NUMBERS = st.lists(st.integers(0, 30), min_size=1, max_size=3)
VERSIONS = NUMBERS.map(lambda numbers: ".".join(map(str, numbers)))


# From https://python-poetry.org/docs/dependency-specification/, and versions of other forms.
@pytest.mark.parametrize(
    ("constraint", "expected"),
    [
        ("^1.2.3", ">=1.2.3,<2.0.0"),
        ("^1.2", ">=1.2,<2.0"),
        ("^1", ">=1,<2"),
        ("^0.2.3", ">=0.2.3,<0.3.0"),
        ("^0.0.3", ">=0.0.3,<0.0.4"),
        ("^0.0", ">=0.0,<0.1"),
        ("^0", ">=0,<1"),
        ("~1.2.3", ">=1.2.3,<1.3.0"),
        ("~1.2", ">=1.2,<1.3"),
        ("~1", ">=1,<2"),
        ("*", ""),
        ("1.*", "==1.*"),
        ("1.2.*", "==1.2.*"),
        ("!=1.2.*", "!=1.2.*"),
        ("^1.*", ">=1,<2"),
        ("1.2.3", "==1.2.3"),
        ("=1.2", "==1.2"),
        ("==1.2", "==1.2"),
        ("~=1.4", "~=1.4"),
        (">=1.2,<2", ">=1.2,<2"),
        (">= 1.2 < 2", ">=1.2,<2"),
        ("^2.0rc1", ">=2.0rc1,<3.0"),
        ("^1!2.0", ">=1!2.0,<1!3.0"),
        ("1.0+cpu", "==1.0+cpu"),
        ("v1.2", "==1.2"),
    ],
)
def test_a_constraint_becomes_a_specifier(constraint: str, expected: str) -> None:
    assert specifier(constraint) == expected


@pytest.mark.parametrize("constraint", ["^", "^^1", "latest", "1 ; os_name", ">=1,,<2", "^1 @ x", "~x"])
def test_what_is_no_constraint_is_a_value_error(constraint: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of packaging or of ours
        specifier(constraint)


@given(VERSIONS, VERSIONS)
def test_a_caret_admits_what_keeps_the_first_number_that_is_not_zero(low: str, other: str) -> None:
    admitted = Version(other) in SpecifierSet(specifier(f"^{low}"))
    release, second = Version(low).release, (*Version(other).release, 0, 0)
    first = next((place for place, number in enumerate(release) if number), len(release) - 1)
    assert admitted == (Version(other) >= Version(low) and second[: first + 1] == release[: first + 1])


@given(VERSIONS, VERSIONS)
def test_a_tilde_admits_what_keeps_the_minor_version(low: str, other: str) -> None:
    release, second = Version(low).release, (*Version(other).release, 0, 0)
    kept = min(len(release), 2)
    expected = Version(other) >= Version(low) and second[:kept] == release[:kept]
    assert (Version(other) in SpecifierSet(specifier(f"~{low}"))) == expected


@given(major=st.integers(1, 5), low=st.integers(0, 9), other=st.tuples(st.integers(0, 8), st.integers(0, 9)))
@pytest.mark.parametrize("following", [0, 1])
def test_alternatives_without_a_gap_are_their_union(
    following: int, major: int, low: int, other: tuple[int, int]
) -> None:
    parts = (f"^{major}.{low}", f"^{major + following}.0")
    version = f"{other[0]}.{other[1]}"
    expected = any(version in SpecifierSet(specifier(part)) for part in parts)
    assert (version in SpecifierSet(one_specifier(" || ".join(parts)))) == expected


@given(st.text(max_size=15))
def test_any_text_is_a_requirement_or_an_error_that_names_its_key(text: str) -> None:
    try:
        Requirement(requirement("name", text, "tool.poetry.dependencies.name"))
    except (ConfigError, NotExpressible) as error:
        assert "tool.poetry.dependencies.name" in str(error)  # noqa: PT017 - either way is right


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("^1.2", "a<2.0,>=1.2"),
        ("*", "a"),
        ({"version": "^1", "extras": ["x", "y"]}, "a[x,y]<2,>=1"),
        ({"version": "1", "optional": True}, "a==1"),
        ({"version": "*", "python": "<3.11"}, 'a; python_version < "3.11"'),
        ({"version": "*", "python": "3.9.*"}, 'a; python_version == "3.9"'),
        (
            {"version": "*", "python": "<3.8 || >=3.10.1", "markers": "os_name == 'nt'"},
            'a; os_name == "nt" and (python_version < "3.8" or python_full_version >= "3.10.1")',
        ),
        ({"version": "*", "platform": "linux"}, 'a; sys_platform == "linux"'),
        ({"git": "https://example.org/a.git", "tag": "v1"}, "a @ git+https://example.org/a.git@v1"),
        ({"git": "git@example.org:o/a.git"}, "a @ git+ssh://git@example.org/o/a.git"),
        (
            {"git": "https://example.org/a.git", "branch": "main", "subdirectory": "sub"},
            "a @ git+https://example.org/a.git@main#subdirectory=sub",
        ),
        ({"url": "https://example.org/a-1.whl"}, "a @ https://example.org/a-1.whl"),
        ("^1.24 || ^2.0", "a<3.0,>=1.24"),
    ],
)
def test_a_dependency_becomes_a_requirement_string(value: Any, expected: str) -> None:
    assert requirement("a", value, "key") == expected


def test_a_gap_between_alternatives_is_reported_with_the_line_to_write() -> None:
    with pytest.raises(NotExpressible, match=r"write packages = \['a<4,>=3'\]"):
        requirement("a", "^1 || ^3", "tool.poetry.dependencies.a")


def test_a_local_path_is_reported_with_the_line_to_write() -> None:
    with pytest.raises(NotExpressible, match=r"packages = \['a'\]"):
        requirement("a", {"path": "../a", "develop": True}, "key")


@pytest.mark.parametrize(
    "value", [3, ["^1"], {"version": 3}, {"version": "^1", "extras": "x"}, {"git": 3}, {"markers": "("}]
)
def test_a_malformed_dependency_is_one_error(value: Any) -> None:
    with pytest.raises(ConfigError, match=r"pyproject\.toml: key: expected a version constraint"):
        requirement("a", value, "key")


@pytest.mark.parametrize("name", ["a @ file:///etc/passwd", "a; x", "-r", "", "a b"])
def test_a_hostile_name_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError):
        requirement(name, "*", "key")


@given(VERSIONS.filter(lambda text: text.count(".") == 1), st.sampled_from(["3.8", "3.9", "3.10", "3.12"]))
def test_a_constraint_on_python_becomes_a_marker(low: str, python: str) -> None:
    marker = Marker(python_marker(f"^{low}"))
    environment = {"python_version": python, "python_full_version": f"{python}.0"}
    assert marker.evaluate(environment) == (Version(python) in SpecifierSet(specifier(f"^{low}")))
