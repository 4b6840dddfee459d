"""The repository itself: nothing in it is true on one machine only, and its workflows run what they name."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CHECKS = ROOT / "scripts" / "checks"
SKIPPED = re.compile(r"/(\.git|\.noxlib|\.nox|\.\w+_cache|\.hypothesis|__pycache__|build|dist)/")


def files() -> list[Path]:
    """The files that git tracks; without git, those that are there."""
    if (ROOT / ".git").exists():
        argv = ["git", "-c", "safe.directory=*", "ls-files", "-z"]
        listed = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
        return [ROOT / name for name in listed if name and (ROOT / name).is_file()]
    return [path for path in ROOT.rglob("*") if path.is_file() and not SKIPPED.search(str(path))]


def check(script: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, str(CHECKS / script), *map(str, paths)]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def test_no_file_names_a_path_of_one_machine_or_an_index() -> None:
    assert check("machine_paths.py", *files()).stdout == ""


@pytest.mark.parametrize(
    "line",
    ["cd " + "/wo" + "rk/main", "/ro" + "ot/.pyenv/bin", "/ho" + "me/alice/x", "https://" + "pypi" + ".org/simple"],
)
def test_a_path_of_one_machine_is_found(tmp_path: Path, line: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"first\n{line}\n", encoding="utf-8")
    found = check("machine_paths.py", file)
    assert (found.returncode, found.stdout) == (1, f"{file}:2: {line}\n")


@pytest.mark.parametrize("line", ["/workspace", "/home/you/letters", "target=/root/.cache", "scripts/work/x"])
def test_a_path_inside_a_container_or_of_an_example_is_not(tmp_path: Path, line: str) -> None:
    file = tmp_path / "page.md"
    file.write_text(f"{line}\n", encoding="utf-8")
    assert check("machine_paths.py", file).returncode == 0


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"text", "no newline at its end"),
        (b"text\n\n", "an empty line at its end"),
        (b"a \nb\n", "1: blanks at its end"),
        (b"a\n" + b"<" * 7 + b" HEAD\n", "2: a marker of a merge"),
        (b"\0" * 500_001, "500001 bytes"),
    ],
    ids=["newline", "empty line", "blanks", "merge", "size"],
)
def test_untidy_text_is_found(tmp_path: Path, content: bytes, what: str) -> None:
    file = tmp_path / "page.md"
    file.write_bytes(content)
    found = check("text.py", file)
    assert found.returncode == 1
    assert what in found.stdout


def test_every_script_can_be_run() -> None:
    scripts = [path for path in files() if path.parent.name in {"scripts", "testbed", "checks", ".ci"}]
    assert len(scripts) >= 6
    assert [str(path) for path in scripts if not os.access(path, os.X_OK) or path.read_bytes()[:2] != b"#!"] == []


def test_the_own_testground_takes_its_dependencies_from_pyproject() -> None:
    text = (ROOT / "Dockerfile.test").read_text(encoding="utf-8")
    assert re.findall(r"^FROM \S+ AS (\w+)$", text, re.MULTILINE) == ["runtime", "builder", "test"]
    assert re.findall(r"^COPY (?!--from)(.+)$", text, re.MULTILINE) == ["pyproject.toml ."]
    assert "-r pyproject.toml --extra test" in text
