"""What ``testground_build`` leaves, without an engine; real ones: tests/engines/test_build.py."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from noxlib.engines import images
from noxlib.sessions import container_ground, placing, reaping, testground_build
from noxlib.sessions.context import Context
from noxlib.testground import image

REFERENCE = "demo-testground:py3.10-fp-0123456789abcdef"


@pytest.mark.parametrize(
    ("platform", "names"), [("linux/amd64", ["demo-testground:py3.10-local"]), ("linux/arm64", [])]
)
def test_what_is_there_already_is_named_as_what_was_built_last(
    platform: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "demo"\nversion = "1"\n')
    docker: Any = SimpleNamespace(platform=platform, native="linux/amd64")
    found: Any = SimpleNamespace(reference=REFERENCE, id="sha256:1")
    given: list[str] = []
    monkeypatch.setattr(reaping, "sweep", lambda *_: None)
    monkeypatch.setattr(placing, "engine", lambda *_: docker)
    monkeypatch.setattr(container_ground, "lock_of", lambda *_: None)
    monkeypatch.setattr(image, "find_or_build", lambda *_: found)
    monkeypatch.setattr(images, "tag", lambda _, name, __: given.append(name))
    testground_build.run(Context("testground_build-3.10", "testground_build", "", "3.10", tmp_path, ()))
    assert given == names
