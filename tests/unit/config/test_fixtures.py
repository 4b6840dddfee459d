"""Drivers of fixtures: the same as noxlib's own extras, and part of what a testground is resolved from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest

from noxlib.config import fixtures
from noxlib.config.detect import load_project
from noxlib.config.files import read_toml
from noxlib.config.models import Config

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("name", fixtures.REQUIREMENTS)
def test_a_fixture_needs_what_the_extra_of_its_name_has(name: str) -> None:
    extras = read_toml(ROOT / "pyproject.toml")["project"]["optional-dependencies"]
    assert fixtures.REQUIREMENTS[name] == tuple(extras.get(name, ()))


def test_every_name_that_may_be_configured_is_in_the_table() -> None:
    names, _ = get_args(get_type_hints(Config)["fixtures"])
    assert get_args(names) == tuple(fixtures.REQUIREMENTS)


def test_what_fixtures_need_is_asked_for_beside_the_packages(make_project: Any) -> None:
    root = make_project('[tool.noxlib]\npackages = ["click"]\nfixtures = ["redis"]\n')
    assert load_project(root, {}).packages == ("click", *fixtures.REQUIREMENTS["redis"])
