"""Temporary folders that cannot be made; what becomes of those that were: tests/unit/engines, tests/engines."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from noxlib import atomic, temporary
from noxlib.errors import MachineError, of_machine
from noxlib.ledger import Ledger


def test_a_parent_that_takes_no_folder_is_two_lines_and_leaves_nothing_to_remove(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    with pytest.raises(MachineError, match="no folder can be made"), temporary.folder(tmp_path / "absent"):
        raise AssertionError
    assert not list(Ledger().entries())


def test_a_name_that_is_too_long_is_a_refusal_of_this_machine_and_not_repeated_whole() -> None:
    told = of_machine(OSError(errno.ENAMETOOLONG, "File name too long", "x" * 5000))
    assert told is not None
    assert "File name too long" in told.what
    assert len(told.what) < 500


def test_a_file_where_a_folder_should_be_is_no_mistake_of_ours() -> None:
    told = of_machine(OSError(errno.ENOTDIR, "Not a directory", "/etc/passwd/interpreters"))
    assert told is not None
    assert told.what == "/etc/passwd/interpreters: Not a directory"
    assert told.todo.startswith("a file is where a folder should be")


def test_a_disk_that_is_full_is_told_with_what_was_written(tmp_path: Path) -> None:
    def filling() -> Iterator[bytes]:
        yield b"some"
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OSError, match="No space left") as caught:
        atomic.write(tmp_path / "plan.json", filling())
    told = of_machine(caught.value)
    assert told is not None
    assert told.what == f"{tmp_path / 'plan.json'}: No space left on device"
    assert not list(tmp_path.iterdir())
