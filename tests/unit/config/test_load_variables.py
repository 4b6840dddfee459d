"""A configuration by variables of the environment: each key has one, of the same meaning as in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from noxlib.config.environment import RESERVED, keys, tables
from noxlib.config.load import load_config
from noxlib.config.models import Config, IntegrationConfig, SuiteConfig
from noxlib.errors import ConfigError

from .loading import failure, load

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True)
SUITE = st.fixed_dictionaries(
    {},
    optional={
        "args": st.lists(st.sampled_from(["-x", "-q", "--lf"])),
        "env": st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,6}", fullmatch=True), NAMES),
        "timeout": st.integers(1, 10**6),
        "network": st.booleans(),
        "memory": st.sampled_from(["512m", "2g"]),
        "cpus": st.floats(0.25, 64),
    },
)
TABLE = st.fixed_dictionaries(
    {},
    optional={
        "pythons": st.lists(st.sampled_from(["3.9", "3.12", "3.14t", "pypy3.11"]), unique=True),
        "extras": st.lists(NAMES),
        "packages": st.lists(NAMES),
        "apt": st.lists(st.from_regex(r"[a-z][a-z0-9]{1,8}", fullmatch=True)),
        "place": st.sampled_from(["auto", "container", "venv"]),
        "fallback": st.booleans(),
        "unit": SUITE,
    },
)


def test_each_value_can_be_overridden_by_a_variable(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nplace = "venv"\nunit.timeout = 5\nunit.args = ["-x"]\n')
    config = load(
        root,
        NOXLIB_PLACE="container",
        NOXLIB_PYTHONS="3.9, 3.10",
        NOXLIB_PACKAGES='["numpy>=1,<3"]',
        NOXLIB_MIRRORS="docker.io=mirror.example.org/hub",
        NOXLIB_FALLBACK="True",
        NOXLIB_UNIT_TIMEOUT="7.5",
        NOXLIB_UNIT_ENV='{"A": "1,2"}',
        NOXLIB_INTEGRATION_NETWORK="false",
    )
    assert config == Config(
        place="container",
        pythons=("3.9", "3.10"),
        packages=("numpy>=1,<3",),
        mirrors={"docker.io": "mirror.example.org/hub"},
        fallback=True,
        unit=SuiteConfig(timeout=7.5, env={"A": "1,2"}, args=("-x",)),
        integration=IntegrationConfig(network=False),
    )


def test_an_empty_variable_is_unset_and_an_empty_list_is_json(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\nextras = ["a"]\nplace = "venv"\n')
    config = load(root, NOXLIB_PLACE="", NOXLIB_EXTRAS="[]")
    assert (config.place, config.extras) == ("venv", ())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("NOXLIB_PLCAE", "venv", "environment: NOXLIB_PLCAE is no variable of noxlib; did you mean NOXLIB_PLACE?"),
        (
            "NOXLIB_CACHEDIR",
            "x",
            "environment: NOXLIB_CACHEDIR is no variable of noxlib; did you mean NOXLIB_CACHE_DIR?",
        ),
        ("NOXLIB_UNIT_TIMEOUT", "long", "environment: NOXLIB_UNIT_TIMEOUT: expected a number, found 'long'"),
        ("NOXLIB_UNIT_TIMEOUT", "NaN", "environment: NOXLIB_UNIT_TIMEOUT: expected a number, found 'NaN'"),
        ("NOXLIB_UNIT_TIMEOUT", "-1", "environment: NOXLIB_UNIT_TIMEOUT: expected a number above zero, found -1.0"),
        ("NOXLIB_UNIT_ENV", "A", "environment: NOXLIB_UNIT_ENV: expected key=value pairs, found 'A'"),
        ("NOXLIB_PACKAGES", "[", "environment: NOXLIB_PACKAGES: expected a list of strings, found '['"),
        ("NOXLIB_FALLBACK", "1", "environment: NOXLIB_FALLBACK: expected true or false, found 1"),
        (
            "NOXLIB_PLACE",
            "docker",
            (
                "environment: NOXLIB_PLACE: expected one of auto, container, venv, found 'docker'; "
                "did you mean 'container'?"
            ),
        ),
        (
            "NOXLIB_UNIT_PATHS",
            "../x",
            "environment: NOXLIB_UNIT_PATHS: expected a path inside the repository, found '../x'",
        ),
    ],
)
def test_an_error_in_a_variable_names_the_variable(name: str, text: str, message: str, tmp_path: Path) -> None:
    assert failure(tmp_path, **{name: text}) == message


def test_variables_that_are_no_keys_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, NOXLIB_TESTBED_FAST="1", PATH="x", **dict.fromkeys(RESERVED, "x")) == Config()


def test_every_key_has_a_variable_of_its_own() -> None:
    variables = keys()
    plain = [name for name in Config.__struct_fields__ if name not in {*tables(), "environments", "quarantine"}]
    count = len(plain) + sum(len(struct.__struct_fields__) for struct in tables().values())
    assert len(variables) == count - len(["integration.levels"])
    assert not RESERVED & set(variables)


@given(table=TABLE)
def test_a_file_and_variables_of_the_same_values_give_the_same_configuration(
    table: dict[str, Any], tmp_path: Path
) -> None:
    environ = {}
    for key, value in table.items():
        pairs = value.items() if key == "unit" else [("", value)]
        for inner, item in pairs:
            name = "NOXLIB_" + "_".join(filter(None, (key, inner))).upper()
            environ[name] = item if isinstance(item, str) else json.dumps(item)
    assert load_config(tmp_path, environ) == msgspec.convert(table, Config)


@example(name="NOXLIB_APT", text="[\ud800")  # a byte that is no UTF-8
@example(name="NOXLIB_PLACE", text="\ud800")
@example(name="NOXLIB_CONSTRAINTS", text='["\\ud800"]')  # the same, as JSON escapes it
@given(name=st.sampled_from(sorted(keys())), text=st.text(st.characters(exclude_characters="\0"), max_size=20))
def test_any_text_in_a_variable_is_a_configuration_or_two_lines(name: str, text: str, tmp_path: Path) -> None:
    try:
        load_config(tmp_path, {name: text})
    except ConfigError as error:
        assert name in error.what  # noqa: PT017 - either way is right
        assert len(str(error).split("\n")) == 2  # noqa: PT017
