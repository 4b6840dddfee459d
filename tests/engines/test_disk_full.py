"""A full disk, wherever it is: two lines, a record, nothing left behind, and the next run is green."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Callable

import pytest

from noxlib.ledger import Ledger

from .checks import left_in_engine, told
from .conftest import Nox

Adopt = Callable[..., Nox]
Disk = Callable[[str, int], Path]

pytestmark = [pytest.mark.docker]

FLOOD = """
import pytest
@pytest.mark.parametrize("number", range(200))
def test_floods(number):
    print("x" * 2000)
"""


def fill(folder: Path, *, but: int = 0) -> Path:
    """Fill a disk up to so many KiB; the file that does it."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as stream:
        try:
            while True:
                stream.write(bytes(4096))
        except OSError:
            stream.truncate(max(0, stream.tell() - but * 1024))
    return filler


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_state_folder_without_room_is_two_lines(adopt: Adopt, disk: Disk, place: str) -> None:
    nox = adopt("flat")
    state = disk("state", 300)
    filler = fill(state)
    ended = nox("-s", "unit-3.10", "--", "--place", place, NOXLIB_CACHE_DIR=str(state))
    assert ended.code == 1
    assert told(ended) == 2, ended.output
    assert "No space left on device" in ended.output
    assert "or set NOXLIB_CACHE_DIR" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert [path for path in state.rglob("*") if path.is_file() and path.stat().st_size] == [filler]
    assert left_in_engine(nox) == []


def test_an_environment_that_does_not_fit_leaves_nothing_half_made(adopt: Adopt, disk: Disk) -> None:
    nox = adopt("flat")
    state = disk("state", 3000)  # the locks fit, pytest does not
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE="venv", NOXLIB_CACHE_DIR=str(state))
    assert ended.code == 1
    assert told(ended) == 2, ended.output
    assert "disk is full" in ended.output or "No space left" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert Ledger(state).entries() == ()
    subprocess.run(["mount", "-o", "remount,size=200m", state], check=True)
    assert nox("-s", "unit-3.10", NOXLIB_PLACE="venv", NOXLIB_CACHE_DIR=str(state)).code == 0


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_checkout_on_a_full_disk_is_tested_all_the_same(adopt: Adopt, disk: Disk, place: str) -> None:
    checkout = disk("checkout", 500)
    nox = adopt("flat", folder="checkout/project")
    fill(checkout)
    ended = nox("-s", "unit-3.10", "--", "--place", place, "-p", "no:cacheprovider")
    assert ended.code == 0, ended.output
    assert nox.record.outcome == "passed"
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_disk_that_the_run_itself_fills_still_takes_the_record(adopt: Adopt, disk: Disk, place: str) -> None:
    checkout = disk("checkout", 1000)
    nox = adopt("flat", folder="checkout/project")
    (nox.folder / "tests" / "test_flood.py").write_text(FLOOD)
    fill(checkout, but=300)
    ended = nox("-s", "unit-3.10", "--", "--place", place, "-s")
    assert ended.code == 1
    assert "Traceback" not in ended.output
    assert "No space left on device" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert left_in_engine(nox) == []
