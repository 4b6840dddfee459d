"""Which docker command is taken: one that has the plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxlib.engines import client
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from pathlib import Path


def command(folder: Path, code: int) -> str:
    folder.mkdir()
    (folder / "docker").write_text(f"#!/bin/sh\nexit {code}\n")
    (folder / "docker").chmod(0o755)
    return str(folder)


def test_a_client_without_the_plugin_that_comes_first_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = [command(tmp_path / "a", 1), command(tmp_path / "b", 0), command(tmp_path / "c", 0)]
    monkeypatch.setenv("PATH", ":".join(folders))
    assert client.command("compose", "x", "y") == f"{tmp_path}/b/docker"


def test_without_one_two_lines_say_what_cannot_be_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", command(tmp_path / "a", 1))
    with pytest.raises(
        EngineError, match="no docker command with buildx is on PATH, so nothing can be built"
    ) as caught:
        client.command("buildx", "nothing can be built", "install it")
    assert caught.value.todo == "install it"
    (tmp_path / "a" / "docker").write_text("#!/bin/sh\nexit 0\n")
    assert client.command("buildx", "nothing can be built", "install it") == f"{tmp_path}/a/docker"
