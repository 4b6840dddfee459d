"""The examples run, each as its page in the documentation says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import DEADLINE

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.docker


@pytest.fixture
def example(tmp_path: Path) -> Path:
    """A copy of the example, so that no run of it is left in the checkout."""
    left_out = shutil.ignore_patterns(".noxlib", ".*_cache", "__pycache__")
    return Path(shutil.copytree(ROOT / "examples" / "own_sessions", tmp_path / "own sessions", ignore=left_out))


def nox(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NOXLIB_PLACE": "container"}
    argv = [sys.executable, "-m", "nox", *words]
    return subprocess.run(
        argv, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=DEADLINE
    )


def test_a_suite_of_a_projects_own_goes_the_way_of_ours(example: Path) -> None:
    done = nox(example, "-s", "slow-3.11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "slow-3.11 passed: 1 passed, 1 deselected" in done.stdout
    assert len(list(example.glob(".noxlib/runs/*-slow-3.11-*/record.json"))) == 1


def test_the_projects_own_selection_leaves_the_slow_tests_out_of_unit(example: Path) -> None:
    done = nox(example, "-s", "unit-3.11")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unit-3.11 passed: 1 passed, 1 deselected" in done.stdout
