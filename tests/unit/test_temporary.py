"""Temporary folders that cannot be made; what becomes of those that were: tests/unit/engines, tests/engines."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from noxlib import temporary
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
