"""Files that a user or a workflow names to be written."""

from __future__ import annotations

from pathlib import Path

import pytest

from noxlib.errors import UsageError
from noxlib.sessions import writing


def test_outputs_of_a_step_come_after_those_that_are_there(tmp_path: Path) -> None:
    output = tmp_path / "output"
    output.write_text("before=1\n")
    writing.tell_workflow("a=2\n", {"GITHUB_OUTPUT": str(output)})
    assert output.read_text() == "before=1\na=2\n"


def test_outside_a_workflow_nobody_is_told() -> None:
    writing.tell_workflow("a=2\n", {})
    writing.tell_workflow("a=2\n", {"GITHUB_OUTPUT": ""})


def test_a_file_that_cannot_be_written_is_two_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        writing.tell_workflow("a=2\n", {"GITHUB_OUTPUT": str(tmp_path)})
