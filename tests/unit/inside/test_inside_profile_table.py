"""Each test by each environment: what becomes of it, why it is skipped, its deadline, the budget that it breaks."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any, Callable

import msgspec
import pytest

from noxlib.config import profiles

StartRun = Callable[..., Any]  # see conftest.py
PAGE = Path(__file__).parents[3] / "docs/environments.md"
NAMES = ("local", "ci", "hpc_cluster", "cloud_hpc")
#: As the page on environments shows it.
TABLE = """
| `test_plain` | 30 s | 60 s | 150 s | 150 s |
| `test_slow` | 30 s | 60 s | 150 s | 150 s |
| `test_network` | 30 s | 60 s | 150 s | 150 s |
| `test_timeout_2` | 2 s | 4 s | 10 s | 10 s |
| `test_large_files` | 30 s | skipped: large_files = false | 150 s | skipped: large_files = false |
| `test_backend_file` | 30 s | 60 s | 150 s | 150 s |
| `test_backend_mock_ssh` | skipped: backends = file; not mock_ssh | 60 s | skipped: backends = file, ssh, mock_tape; not mock_ssh | skipped: backends = file, s3; not mock_ssh |
| `test_backend_ssh` | skipped: backends = file; not ssh | skipped: backends = file, mock_ssh; not ssh | 150 s | skipped: backends = file, s3; not ssh |
| `test_backend_s3` | skipped: backends = file; not s3 | skipped: backends = file, mock_ssh; not s3 | skipped: backends = file, ssh, mock_tape; not s3 | 150 s |
| `test_backend_mock_tape` | skipped: backends = file; not mock_tape | skipped: backends = file, mock_ssh; not mock_tape | 150 s | skipped: backends = file, s3; not mock_tape |
| `test_large_files_on_file` | 30 s | skipped: large_files = false | 150 s | skipped: large_files = false |
| `test_160_mb_of_memory` | 30 s | 60 s | 150 s, over its memory of 128 MB | 150 s |
| `test_300_mb_of_disk` | 30 s | 60 s | 150 s, over its disk of 256 MB | 150 s |
"""  # noqa: E501 - the lines of a table


def cells(name: str, run: StartRun, hours: dict[str, str]) -> dict[str, str]:
    """The column of an environment, by test. No time passes: a deadline of 2 s is a short one for a busy machine."""
    profile = {**msgspec.to_builtins(profiles.defaults()[name]), "reason": "by the test", "test_timeout": 30.0}
    done = run("profiles", profile=profile, environment=hours)
    assert done.code == 0, done.output
    deadlines = json.loads((done.workspace / "deadlines.json").read_text())
    broken = {found["test"].partition("::")[2]: found for found in done.result["notices"]["budgets"]}
    prefix = f"environment {name} has "
    found = {}
    for case in ET.parse(done.folder / "result/junit.xml").iter("testcase"):
        test = case.attrib["name"]
        skipped = case.find("skipped")
        found[test] = f"{deadlines[test]:g} s" if skipped is None else f"skipped: {skipped.attrib['message']}"
        found[test] = found[test].replace(prefix, "")
        if test in broken:
            found[test] += ", over its {what} of {budget_mb} MB".format(**broken[test])
    return found


@pytest.mark.parametrize("name", NAMES)
def test_each_environment_does_to_each_test_what_the_table_says(
    name: str, run: StartRun, hours: dict[str, str]
) -> None:
    rows = [line.strip("| ").split(" | ") for line in TABLE.strip().splitlines()]
    column = 1 + NAMES.index(name)
    assert cells(name, run, hours) == {row[0].strip("`"): row[column] for row in rows}


def test_the_documentation_shows_the_table() -> None:
    assert TABLE in PAGE.read_text(encoding="utf-8")
