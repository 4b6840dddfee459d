"""What the doctor tells of a registry; the real one: tests/engines/test_registry_life.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from noxlib.config.detect import load_project
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError
from noxlib.sessions import registry_state

IMAGE = "ghcr.io/owner/demo-testground"
ONE, OTHER = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
REFUSED = EngineError("the registry ghcr.io refuses (403)", "ask", cause="credentials")


def test_who_is_not_logged_in_is_told_how_to() -> None:
    found = registry_state.refused(REFUSED, IMAGE, None)
    assert (found.ok, found.fix) == (False, "docker login ghcr.io")
    assert "not logged in to ghcr.io" in found.value


def test_who_may_not_read_is_told_as_whom_and_never_by_the_password() -> None:
    found = registry_state.refused(REFUSED, IMAGE, Credentials("you", "correct horse"))
    assert found.value.startswith(f"you may not read {IMAGE}")
    assert "read:packages" in found.fix
    assert "correct horse" not in f"{found}"


def test_a_wrong_password_is_no_question_of_rights() -> None:
    unknown = EngineError("the registry refuses these (401)", "check user and password", cause="credentials")
    found = registry_state.refused(unknown, IMAGE, Credentials("you", "correct horse"))
    assert found.fix == "check user and password"
    assert "may not read" not in found.value
    assert "correct horse" not in f"{found}"


def test_credentials_for_another_host_are_no_login_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "you")
    monkeypatch.setenv("NOXLIB_REGISTRY_HOST", "localhost:5000")
    assert "NOXLIB_REGISTRY_HOST='localhost:5000'" in registry_state.refused(REFUSED, IMAGE, None).fix


def test_a_registry_that_does_not_answer_is_no_question_of_rights() -> None:
    lost = EngineError("the registry ghcr.io does not answer: connection refused", "see whether it runs", cause="lost")
    assert registry_state.refused(lost, IMAGE, None).fix == "see whether it runs"


def test_copies_are_moving_tags_of_this_repository_that_were_in_a_registry() -> None:
    listed: list[dict[str, Any]] = [
        {"RepoTags": [f"{IMAGE}:py3.10-main", f"{IMAGE}:py3.10-v1.0"], "RepoDigests": [f"{IMAGE}@{ONE}"]},
        {"RepoTags": [f"{IMAGE}:py3.11-latest", "other:py3.11-main"], "RepoDigests": [f"{IMAGE}@{ONE}", f"o@{OTHER}"]},
        {"RepoTags": [f"{IMAGE}:py3.12-main", f"{IMAGE}-x:py3.12-main"], "RepoDigests": []},
        {"RepoTags": None, "RepoDigests": None},
    ]
    only = frozenset((ONE,))
    assert registry_state.of_listing(listed, IMAGE) == {"py3.10-main": only, "py3.11-latest": only}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "a"\nversion = "1"\n')
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("NOXLIB_REGISTRY_USER", "NOXLIB_REGISTRY_PASSWORD", "NOXLIB_REGISTRY_HOST", "NOXLIB_IMAGE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_a_project_without_a_registry_is_told_how_to_name_one(folder: Path) -> None:
    found = list(registry_state.look(load_project(folder)))
    assert [one.name for one in found] == ["registry"]
    assert "set image in [tool.noxlib]" in found[0].fix


def test_a_half_login_is_told_as_such(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "noxlib.toml").write_text('image = "127.0.0.1:9/a"\n')
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "you")
    assert [one.fix for one in registry_state.look(load_project(folder))] == ["set both, or neither"]


def test_a_registry_that_is_not_there_is_one_finding(folder: Path) -> None:
    (folder / "noxlib.toml").write_text('image = "127.0.0.1:9/a"\n')
    found = list(registry_state.look(load_project(folder)))
    assert len(found) == 1
    assert "does not answer" in found[0].value
