"""Lock files: their names."""

from __future__ import annotations

import re

import pytest

from noxlib.config.locks import pylock_name


@pytest.mark.parametrize(
    ("python", "name"),
    [("3.10", "pylock.py310.toml"), ("3.14t", "pylock.py314t.toml"), ("pypy3.11", "pylock.pypy311.toml")],
)
def test_the_lock_of_a_python_is_named_as_pep_751_asks(python: str, name: str) -> None:
    assert pylock_name(python) == name
    assert re.fullmatch(r"pylock\.([^.]+)\.toml", name)
