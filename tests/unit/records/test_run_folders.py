"""Each run has its folder, in the checkout where that can be, and only there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from noxlib.errors import RecordError
from noxlib.owner import identity
from noxlib.records import folders, store

if TYPE_CHECKING:
    from pathlib import Path


def test_a_runs_folder_has_its_name_its_places_and_its_owner(checkout: Path) -> None:
    folder = store.new_run(checkout, "unit-3.10")
    assert re.fullmatch(r"\d{8}T\d{6}Z-unit-3\.10-[0-9a-f]{6}", folder.name)
    assert folder.path.parent == checkout / ".noxlib" / "runs"
    assert sorted(path.name for path in folder.path.iterdir()) == ["logs", "owner.json", "reserve", "result"]
    assert folder.session == "unit-3.10"
    assert folder.shown == f".noxlib/runs/{folder.name}"
    assert str(identity().pid) in (folder.path / "owner.json").read_text()


KILLED = """
import os, pathlib, signal, sys
from noxlib.records import store

def count(name, _):
    global left
    if name in ("os.mkdir", "os.rename", "open"):
        left -= 1
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)

left = int(sys.argv[2])
sys.addaudithook(count)
store.new_run(pathlib.Path(sys.argv[1]), "unit-3.10")
"""


def test_of_a_process_killed_while_it_makes_the_folder_no_run_is_left_without_a_record(checkout: Path) -> None:
    moments = 0
    while subprocess.run([sys.executable, "-c", KILLED, checkout, f"{moments + 1}"], check=False).returncode:
        moments += 1
        store.finish_dead(checkout)
        assert [folder.name for folder in store.runs(checkout) if not (folder.path / "record.json").exists()] == []
        assert [path.name for path in (checkout / ".noxlib" / "runs").glob(".tmp-*")] == []
    assert moments > 5  # folders, files, renames


def test_git_does_not_see_the_runs(checkout: Path) -> None:
    store.new_run(checkout, "unit-3.10")
    subprocess.run(["git", "init", "-q"], cwd=checkout, check=True)
    done = subprocess.run(["git", "status", "--porcelain"], cwd=checkout, check=True, stdout=subprocess.PIPE)
    assert done.stdout == b""


def test_a_gitignore_that_is_there_stays(checkout: Path) -> None:
    (checkout / ".noxlib").mkdir()
    (checkout / ".noxlib" / ".gitignore").write_text("runs\n")
    store.new_run(checkout, "unit-3.10")
    assert (checkout / ".noxlib" / ".gitignore").read_text() == "runs\n"


def test_where_the_checkout_cannot_be_written_the_run_lies_in_our_own_folder(checkout: Path, state: Path) -> None:
    (checkout / ".noxlib").write_text("in the way, as a read-only file system would be")
    folder = store.new_run(checkout, "unit-3.10")
    assert state / "runs" in folder.path.parents
    assert folder.shown == str(folder.path)
    assert store.runs(checkout) == [folder]
    assert store.runs(checkout.parent) == []


@pytest.mark.parametrize("link", [".noxlib", ".noxlib/runs"])
def test_a_link_in_the_checkout_leads_no_run_elsewhere(checkout: Path, tmp_path: Path, state: Path, link: str) -> None:
    target = tmp_path / "target"
    target.mkdir()
    (checkout / link).parent.mkdir(exist_ok=True)
    (checkout / link).symlink_to(target)
    folder = store.new_run(checkout, "unit-3.10")
    assert state / "runs" in folder.path.parents
    assert list(target.iterdir()) == []


def test_where_nothing_can_be_written_two_lines_say_so(checkout: Path, state: Path) -> None:
    (checkout / ".noxlib").touch()
    state.touch()
    with pytest.raises(RecordError) as caught:
        store.new_run(checkout, "unit-3.10")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.parametrize("session", ["../../etc", "a b; rm -rf", "x" * 500, "unit/3.10", "ünit"])
def test_a_hostile_session_name_stays_a_name(checkout: Path, session: str) -> None:
    folder = store.new_run(checkout, session)
    assert folder.path.parent == checkout / ".noxlib" / "runs"
    assert store.runs(checkout) == [folder]


def test_runs_come_newest_first_and_nothing_else_with_them(checkout: Path) -> None:
    assert store.runs(checkout) == []
    made = [store.new_run(checkout, session) for session in ("unit-3.9", "unit-3.10", "unit-3.9")]
    for number, folder in enumerate(made):
        os.utime(folder.path / "owner.json", (number, number))
    runs = checkout / ".noxlib" / "runs"
    (runs / "something").mkdir()
    (runs / "20260101T000000Z-file-abcdef").touch()
    (runs / "20260101T000000Z-link-abcdef").symlink_to(made[0].path)
    old = runs / "20200101T000000Z-unit-3.9-abcdef"
    old.mkdir()
    assert store.runs(checkout) == [*reversed(made), store.RunFolder(old, checkout)]
    assert old.name in {folder.name for folder in folders.unsorted(checkout)}
