"""Slots, tars, accounts, the globs' folders, exits."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import pytest

from noxlib.engines.docker import State
from noxlib.errors import EngineError, PlaceError
from noxlib.places import files, sent, slots, tars
from noxlib.places.accounts import with_account
from noxlib.places.following import outcome
from noxlib.places.host import Exit

if TYPE_CHECKING:
    from pathlib import Path


def test_two_runs_at_once_get_two_workspaces(tmp_path: Path) -> None:
    first = slots.take(tmp_path / "state", tmp_path, "3.10")
    second = slots.take(tmp_path / "state", tmp_path, "3.10")
    other = slots.take(tmp_path / "state", tmp_path / "other", "3.10")
    assert [slot.folder.name for slot in (first, second, other)] == ["3.10", "3.10-1", "3.10"]
    assert first.folder.parent != other.folder.parent
    first.release()
    again = slots.take(tmp_path / "state", tmp_path, "3.10")
    assert again.workspace == first.workspace
    for slot in (second, other, again):
        slot.release()


def test_a_slot_lent_is_held_until_the_last_gives_it_back(tmp_path: Path) -> None:
    slot = slots.take(tmp_path / "state", tmp_path, "3.10")
    guest = slot.lent()
    guest.release()
    other = slots.take(tmp_path / "state", tmp_path, "3.10")
    assert other.folder != slot.folder
    slot.release()
    other.release()


def test_a_killed_process_holds_no_slot(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from noxlib.places import slots\n"
        f"slot = slots.take(Path({str(tmp_path / 'state')!r}), Path({str(tmp_path)!r}), '3.10')\n"
        "print(slot.folder.name, flush=True); time.sleep(600)"
    )
    with subprocess.Popen((sys.executable, "-c", script), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"3.10\n"
        child.kill()
    slot = slots.take(tmp_path / "state", tmp_path, "3.10")
    assert slot.folder.name == "3.10"
    slot.release()


def test_a_state_folder_that_cannot_be_made_is_told_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(PlaceError, match="cannot be written") as caught:
        slots.take(tmp_path / "state", tmp_path, "3.10")
    assert len(str(caught.value).splitlines()) == 2


def test_a_tar_goes_there_and_back(tmp_path: Path) -> None:
    source = tmp_path / "run"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "ä.txt").write_text("text")
    (source / "link").symlink_to("/etc/passwd")
    with tars.pack(tars.folder("run", source), 7, 8) as packed:
        raw = packed.read()
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        members = tar.getmembers()
    assert {(member.uid, member.gid, member.uname) for member in members} == {(7, 8, "")}
    tars.unpack((raw[start : start + 100] for start in range(0, len(raw), 100)), tmp_path / "back")
    assert (tmp_path / "back" / "deep" / "ä.txt").read_text() == "text"
    assert not os.path.lexists(tmp_path / "back" / "link")


def test_a_hostile_tar_stays_below_its_folder(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("run/../../out", "/run/abs", "../../out", "run/ok", "run/./x"):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        device = tarfile.TarInfo("run/dev")
        device.type = tarfile.CHRTYPE
        tar.addfile(device)
    tars.unpack([packed.getvalue()], tmp_path / "deep" / "target")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert found == ["deep/target/abs", "deep/target/ok", "deep/target/x"]


def a_tar(*members: tuple[str, bytes, bytes]) -> bytes:
    """Names, types and link names (or contents)."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, kind, text in members:
            member = tarfile.TarInfo(name)
            member.type = kind
            member.size = len(text) if kind == tarfile.REGTYPE else 0
            member.linkname = "" if kind == tarfile.REGTYPE else text.decode()
            tar.addfile(member, io.BytesIO(text))
    return packed.getvalue()


@pytest.mark.parametrize(
    "raw",
    [
        b"no tar at all" * 100,
        a_tar(("run/file", tarfile.REGTYPE, b"x" * 5000))[:2000],
        a_tar(("run/a", tarfile.REGTYPE, b"x"), ("run/a/b", tarfile.REGTYPE, b"x")),
        a_tar(("run/a/b", tarfile.REGTYPE, b"x"), ("run/a", tarfile.REGTYPE, b"x")),
        a_tar(("run/a", tarfile.REGTYPE, b"x"), ("run/a", tarfile.DIRTYPE, b"")),
        a_tar((f"run/{'n' * 300}", tarfile.REGTYPE, b"x")),
    ],
    ids=["none", "cut short", "a file above", "a file for a folder", "a folder for a file", "a name too long"],
)
def test_a_damaged_tar_is_told_in_two_lines(raw: bytes, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no whole tar") as caught:
        tars.unpack([raw], tmp_path)
    assert len(str(caught.value).splitlines()) == 2


def test_an_empty_stream_holds_nothing(tmp_path: Path) -> None:
    tars.unpack([], tmp_path)
    tars.unpack(iter([b""]), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", [b"", b"n" * 5000], ids=["to nothing", "too long"])
def test_a_link_that_cannot_be_is_no_end_of_a_run_without_a_word(link: bytes, tmp_path: Path) -> None:
    raw = a_tar(("workspace", tarfile.DIRTYPE, b""), ("workspace/out/link", tarfile.SYMTYPE, link))
    with pytest.raises(EngineError, match="no whole tar"):
        sent.Sent(tmp_path, None).write_back(("out/**",), tmp_path, lambda _: [raw], {"out/link"})


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        ((".pytest_cache/**", ".hypothesis/**"), (".hypothesis", ".pytest_cache")),
        (("tests/golden/*.txt", "tests/golden/a/b", "tests/x"), ("tests/golden", "tests/x")),
        (("**/*.ambr", ".pytest_cache/**"), ("",)),
    ],
)
def test_only_the_folders_that_globs_can_mean_are_fetched(patterns: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert sent.roots(patterns) == expected


def test_the_caller_gets_an_account_of_its_own() -> None:
    text = "root:x:0:0:root:/root:/bin/bash\nann:x:7:7::/:/bin/sh\n"
    line = "ann:x:1000:1000:ann:/home/noxlib:/bin/sh"
    assert with_account(text, line) == f"root:x:0:0:root:/root:/bin/bash\n{line}\n"
    assert with_account(f"{line}\n", "bob:x:1000:1000:bob:/:/bin/sh") == f"{line}\n"


@pytest.mark.parametrize(
    ("state", "in_time", "expected"),
    [
        (State(running=False, code=0, oom=False), True, Exit(0, "exit")),
        (State(running=False, code=3, oom=False), True, Exit(3, "exit")),
        (State(running=False, code=137, oom=False), True, Exit(137, "signal")),
        (State(running=False, code=137, oom=True), True, Exit(137, "out-of-memory", oom=True)),
        (State(running=False, code=1, oom=True), True, Exit(1, "exit", oom=True)),
        (State(running=False, code=143, oom=False), False, Exit(143, "timeout")),
        (State(running=False, code=255, oom=False), True, Exit(255, "exit")),
    ],
)
def test_the_engines_own_state_says_how_it_ended(state: State, in_time: bool, expected: Exit) -> None:
    assert outcome(state, in_time=in_time) == expected


def test_a_file_copied_onto_itself_stays(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    files.copy(tmp_path / "f", tmp_path / "f")
    assert (tmp_path / "f").read_text() == "x"
