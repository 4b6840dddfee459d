"""A checkout, a state folder of its own, and an environment without secrets."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from noxlib.plan import Limits, Plan, Task
from noxlib.records import store
from noxlib.secret import _sounds_secret

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if _sounds_secret(name) and not name.startswith("GIT_CONFIG_"):  # keys of git's settings, not of a lock
            monkeypatch.delenv(name)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    folder.mkdir()
    return folder


@pytest.fixture
def folder(checkout: Path) -> store.RunFolder:
    return store.new_run(checkout, "unit-3.10")


@pytest.fixture
def plan() -> Plan:
    task = Task(
        "unit-3.10", "unit", "3.10", workspace="/workspace", result="/run/result", select="not slow", timeout=60
    )
    return Plan(
        session="unit-3.10",
        suite="unit",
        python="3.10",
        project="thing",
        place="container",
        place_reason="an engine answers",
        task=task,
        limits=Limits(),
        image="thing-testground:py3.10-abc",
    )
