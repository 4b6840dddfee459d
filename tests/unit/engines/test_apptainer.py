"""Apptainer that is missing or fails is told in two lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.engines import apptainer
from noxlib.errors import EngineError


def test_a_machine_without_apptainer_is_told_in_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match="there is no apptainer on this machine") as caught:
        apptainer.build([b"x"], tmp_path / "x.sif")
    assert len(str(caught.value).splitlines()) == 2


def test_what_apptainer_says_is_in_the_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "bin" / "apptainer"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'INFO: a' >&2; echo 'FATAL: no such image' >&2; echo b >&2; exit 255\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(EngineError, match="FATAL: no such image"):
        apptainer.build([b"x"], tmp_path / "x.sif")
    assert not (tmp_path / "x.tar").exists()
