"""Where published testgrounds are listed and deleted: the registry itself, or GitHub's API."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from noxlib.config.models import Config, RetentionConfig
from noxlib.engines.ghcr import Ghcr
from noxlib.engines.versions import RegistryStore
from noxlib.testground import retention_store

HERE = 1_800_000_000.0


def project(root: Path, image: str, **retention: Any) -> Any:
    return SimpleNamespace(name="demo", root=root, config=Config(image=image, retention=RetentionConfig(**retention)))


def at(time_there: Optional[float]) -> Any:
    return SimpleNamespace(registry=SimpleNamespace(clock=lambda: time_there))


@pytest.mark.parametrize(("there", "expected"), [(None, HERE), (HERE - 60, HERE - 60), (HERE + 60, HERE)])
def test_the_earlier_clock_counts(there: Optional[float], expected: float) -> None:
    said: list[str] = []
    assert retention_store.now(at(there), HERE, said.append) == expected
    assert said == []


@pytest.mark.parametrize(("there", "word"), [(HERE - 86_400, "24 h ahead of"), (HERE + 7200, "2 h behind")])
def test_clocks_that_differ_are_told(there: float, word: str) -> None:
    said: list[str] = []
    assert retention_store.now(at(there), HERE, said.append) == min(there, HERE)
    assert word in said[0]


@pytest.mark.parametrize(
    ("image", "backend", "kind"),
    [
        ("ghcr.io/owner/demo", "auto", Ghcr),
        ("ghcr.io/owner/demo", "registry", RegistryStore),
        ("registry.example.org/owner/demo", "auto", RegistryStore),
        ("registry.example.org/owner/demo", "ghcr", Ghcr),
    ],
)
def test_github_deletes_by_its_api_and_every_other_registry_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, image: str, backend: str, kind: type
) -> None:
    monkeypatch.setenv("OWN", "a-token")
    found = project(tmp_path, image, backend=backend, token="env:OWN")
    assert isinstance(retention_store.open_store(found, print), kind)


@pytest.mark.parametrize(
    ("name", "expected"),
    [("owner/demo", "owner/demo"), ("owner/demo/../x", None), ("owner/de mo", None), ("", None), ("owner", None)],
)
def test_a_repository_is_owner_and_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: Optional[str]
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", name)
    assert retention_store._repository(project(tmp_path, "ghcr.io/o/d")) == expected


def test_credentials_of_another_registry_are_none_of_githubs_business(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_REPOSITORY", "owner/demo")
    monkeypatch.setenv("GITHUB_API_URL", "http://127.0.0.1:1")  # whoever asked it would fail, and say so
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "me")
    monkeypatch.setenv("NOXLIB_REGISTRY_PASSWORD", "of-another-registry")
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    said: list[str] = []
    found = project(tmp_path, "registry.example.org/o/d")
    assert retention_store.closed_pulls(found, ["py3.10-pr-1"], said.append) == frozenset()
    assert said == []
