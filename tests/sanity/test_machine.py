"""Does noxlib work on this machine? Run there by ``scripts/run-sanity-tests root@host``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from noxlib.cache import Cache
from noxlib.engines.process import run, stream
from noxlib.ledger import Ledger
from noxlib.owner import alive, identity

pytestmark = pytest.mark.sanity
ROOT = Path(__file__).parents[2]


def test_the_command_line_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "noxlib", "--help"], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert "usage" in done.stdout.lower()


def test_this_process_is_known_as_the_owner_of_what_it_starts(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    entry = ledger.add("folder", "x")
    assert alive(identity())
    assert ledger.orphans() == ()
    ledger.strike(entry)
    assert ledger.entries() == ()


def test_what_is_cached_is_found_again(tmp_path: Path) -> None:
    def build(folder: Path) -> None:
        (folder / "f").write_text("x")

    made = Cache(tmp_path).make("key", build)
    assert Cache(tmp_path).get("key", verify=True) == made


def test_a_program_is_ended_at_its_deadline(tmp_path: Path) -> None:
    ended = stream((sys.executable, "-c", "import time; time.sleep(60)"), timeout=0.5, echo=False)
    assert (ended.code, ended.cause) == (143, "timeout")


def test_names_are_utf_8_and_files_keep_them(tmp_path: Path) -> None:
    (tmp_path / "ö ☃").write_text("x")
    assert [path.name for path in tmp_path.iterdir()] == ["ö ☃"]
    assert run(("ls", str(tmp_path)), check=True).stdout == "ö ☃\n"
