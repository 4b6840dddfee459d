"""The table of sessions, in a registry of its own for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nox
import pytest
from nox import registry

from noxlib.registration import register
from noxlib.steps import STEPS, Step

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.sessions.context import Context


@pytest.fixture(autouse=True)
def _empty_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    saved = registry.get()
    registry._REGISTRY.clear()
    monkeypatch.chdir(tmp_path)
    for name in ("NOXLIB_PYTHONS", "NOXLIB_PLACE"):
        monkeypatch.delenv(name, raising=False)
    yield
    registry._REGISTRY.clear()
    registry._REGISTRY.update(saved)


def test_each_python_has_its_session_and_there_is_an_umbrella() -> None:
    register()
    names = registry.get()
    assert {"unit", "unit-3.9", "unit-3.10", "unit-3.11", "unit-3.12"} <= set(names)
    assert names["unit-3.10"].python == "3.10"
    assert "testground_shell" not in names


def test_pythons_of_the_configuration_name_the_sessions(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.noxlib]\npythons = ["3.14t", "pypy3.11"]\n')
    register(only=["unit"])
    assert set(registry.get()) == {"unit", "unit-3.14t", "unit-pypy3.11"}


def test_the_first_line_of_the_docstring_is_what_nox_lists() -> None:
    register()
    for step in STEPS:
        name = f"{step.name}-3.10" if step.per_python else step.name
        assert registry.get()[name].func.__doc__ == step.purpose


def test_options_of_nox_are_left_alone() -> None:
    before = list(nox.options.sessions or ())
    register()
    assert list(nox.options.sessions or ()) == before


def test_some_steps_only_and_other_tags() -> None:
    register(only=["unit", "lint"], tags={"unit": ["quick"]})
    assert set(registry.get()) == {"unit", "lint", *(f"unit-3.{minor}" for minor in (9, 10, 11, 12))}
    assert registry.get()["unit-3.11"].tags == ["quick"]


def test_an_unknown_step_is_two_lines_and_no_traceback() -> None:
    with pytest.raises(SystemExit, match=r"noxlib: there is no step 'units'\n  the steps are"):
        register(only=["units"])


def test_a_wrong_configuration_is_two_lines_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.noxlib]\nplaces = "venv"\n')
    with pytest.raises(SystemExit, match=r"(?s)noxlib: .*places.*\n  "):
        register()


def test_a_project_adds_its_own_steps_beside_ours() -> None:
    greeted: list[Context] = []
    register(only=["lint"], steps=[Step("greet", "Greet.", greeted.append, per_python=True)])
    assert {"lint", "greet", "greet-3.10"} <= set(registry.get())
    assert registry.get()["greet-3.10"].func.__doc__ == "Greet."
