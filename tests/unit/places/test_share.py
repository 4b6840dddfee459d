"""What a guest's root leaves in the share is read through no link, and nothing is written where it points."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from noxlib.places import share
from noxlib.places.sent import Sent
from noxlib.places.share import Share


@pytest.fixture
def made(tmp_path: Path) -> Share:
    run = tmp_path / "run"
    run.mkdir()
    (run / "task.json").write_text("{}")
    found = Share(tmp_path / "share")
    found.create(run, ("--net", "a b", "'"))
    return found


def test_the_runs_folder_goes_in_and_comes_out(made: Share, tmp_path: Path) -> None:
    assert not (tmp_path / "run").exists()
    (made.folder / "run" / "result").write_text("x")
    made.take_back(tmp_path / "run")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["result", "task.json"]


def test_a_link_in_place_of_the_runs_folder_is_not_taken(made: Share, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (made.folder / "run").rename(made.folder / "elsewhere")
    (made.folder / "run").symlink_to(secret)
    made.take_back(tmp_path / "run")
    assert list((tmp_path / "run").iterdir()) == []
    assert not (tmp_path / "run").is_symlink()


def test_the_guests_command_is_one_quoted_text(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    command = Share(tmp_path / "other").create(tmp_path / "run", ("", "a b", "$(id)"))
    assert command == "exec sh /mnt/vmtest/start '' 'a b' '$(id)'"


def test_only_plain_files_are_read(made: Share, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (made.folder / "said").symlink_to(tmp_path / "secret")
    assert made.text("said") == ""
    os.mkfifo(made.folder / "names")  # nobody writes: reading it would wait for ever
    assert made.names() == set()
    (made.folder / "changed.tar").mkdir()
    assert list(made.changed()) == []
    (made.folder / "machine").write_bytes(b"6.1.0\nDebian \xff\nmore")
    assert made.machine().kernel == "6.1.0"


def test_it_is_stopped_once_and_through_no_link(made: Share, tmp_path: Path) -> None:
    made.stop(10)
    made.stop(5)
    assert (made.folder / "stop").read_text() == "stop 10\n"
    victim = tmp_path / "victim"
    victim.write_text("mine")
    other = Share(tmp_path / "second")
    other.folder.mkdir()
    (other.folder / ".stop").symlink_to(victim)
    other.stop(10)
    assert victim.read_text() == "mine"


def test_links_devices_and_pipes_are_left_behind(tmp_path: Path) -> None:
    source = tmp_path / "result"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "file").write_text("x")
    (source / "link").symlink_to("/etc/passwd")
    (source / "folder").symlink_to("/etc")
    os.mkfifo(source / "pipe")
    share.take(source, tmp_path / "out")
    assert sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*")) == [
        "deep",
        "deep/file",
    ]
    share.take(source / "link", tmp_path / "link")
    share.take(source / "absent", tmp_path / "absent")
    assert not (tmp_path / "link").exists()
    assert not (tmp_path / "absent").exists()
    share.take(source / "deep" / "file", tmp_path / "one" / "file")
    assert (tmp_path / "one" / "file").read_text() == "x"


def test_what_changed_goes_back_and_what_is_not_named_any_more_is_removed(made: Share, tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / "golden").mkdir(parents=True)
    for name in ("kept", "gone"):
        (checkout / "golden" / name).write_text(name)
    sent = Sent(checkout, None)
    list(sent.files())
    with tarfile.open(made.folder / "changed.tar", "w") as tar:
        member = tarfile.TarInfo("workspace/golden/new")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"new"))
    (made.folder / "names").write_bytes(b"\0".join((b"workspace/golden", b"workspace/golden/kept", b"")))
    changed = sent.write_back(("golden/**",), checkout, lambda _: made.changed(), made.names())
    assert sorted(changed) == ["golden/gone", "golden/new"]
    assert sorted(path.name for path in (checkout / "golden").iterdir()) == ["kept", "new"]
