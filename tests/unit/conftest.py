"""What all unit tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not this machine's: what a test leaves unfinished would be removed by whatever session starts meanwhile."""
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path.parent / f"{tmp_path.name}-state"))
