"""The folder of test data that the runs of this machine share."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.cache import Cache
from noxlib.errors import PlaceError
from noxlib.places import shared_data


def test_it_is_noxlibs_own_unless_another_is_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOXLIB_DATA_DIR", raising=False)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    assert shared_data.folder() == tmp_path / "state" / "data"
    assert not shared_data.folder().exists()
    assert shared_data.lent().is_dir()
    monkeypatch.setenv("NOXLIB_DATA_DIR", str(tmp_path / "chosen"))
    assert shared_data.lent() == tmp_path / "chosen"


def write(folder: Path) -> None:
    (folder / "file").write_bytes(b"x" * 100)


def test_what_nobody_uses_goes_where_it_is_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOXLIB_DATA_DIR", raising=False)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    made = Cache(tmp_path / "data")
    made.make("old", write)
    made.release("old")
    monkeypatch.setattr(shared_data, "BUDGET", 200)
    assert shared_data.lent().joinpath("entries", "old").is_dir()
    monkeypatch.setattr(shared_data, "BUDGET", 50)
    assert not shared_data.lent().joinpath("entries", "old").exists()


def test_it_is_swept_once_and_not_at_each_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    swept: list[Path] = []
    monkeypatch.delenv("NOXLIB_DATA_DIR", raising=False)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(Cache, "sweep", lambda self: swept.append(self.folder))
    shared_data.lent()
    assert {shared_data.lent() for _ in range(3)} == {tmp_path / "data"}
    assert swept == [tmp_path / "data"]


def test_a_folder_that_cannot_be_made_is_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NOXLIB_DATA_DIR", str(tmp_path / "file" / "data"))
    with pytest.raises(PlaceError, match="cannot be made: Not a directory"):
        shared_data.lent()
