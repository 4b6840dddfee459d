"""The ledger knows what we started, whose it is, and whether the owner lives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib import owner as owner_module
from noxlib.errors import CacheError, EngineError
from noxlib.ledger import FOREIGN_SECONDS, Entry, Ledger, reap, refusal, state_folder
from noxlib.owner import Owner, alive, identity, look

if TYPE_CHECKING:
    from pathlib import Path

ADD_AND_SLEEP = """
import pathlib, sys, time
from noxlib.ledger import Ledger
Ledger(pathlib.Path(sys.argv[1])).add("container", "left-behind")
print("added", flush=True)
time.sleep(600)
"""
ADD_MANY = """
import pathlib, sys
from noxlib.ledger import Ledger
ledger = Ledger(pathlib.Path(sys.argv[1]))
for number in range(100):
    entry = ledger.add("folder", f"{sys.argv[2]}-{number}")
    if number % 2:
        ledger.strike(entry)
"""
KILLED = """
import os, pathlib, signal, sys
from noxlib.ledger import Ledger
pathlib.Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
state = pathlib.Path(sys.argv[1])
if sys.argv[2] == "entry":
    Ledger(state).add("container", "half-written")
else:
    Ledger(state).remember(state / "engines" / "one", b"half-written")
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path)


def with_owner(ledger: Ledger, owner: Owner, **changes: object) -> Entry:
    """Rewrite a fresh entry as if another process had made it."""
    entry = ledger.add("container", "thing")
    changed = msgspec.structs.replace(entry, owner=owner, **changes)
    ledger._path(entry).write_bytes(msgspec.json.encode(changed))
    return changed


def elsewhere(owner: Owner) -> Owner:
    """The same pid on another machine."""
    return msgspec.structs.replace(owner, boot="ffffffffffff.0a0a0a0a-0000-0000-0000-000000000000.1")


def test_an_entry_is_on_disk_until_it_is_struck_out(ledger: Ledger) -> None:
    entry = ledger.add("volume", "v1", details={"endpoint": "unix:///x"}, expires=5.0)
    assert Ledger(ledger.folder.parent).entries() == (entry,)
    ledger.strike(entry)
    ledger.strike(entry)
    assert ledger.entries() == ()


def test_an_empty_ledger_has_no_entries_and_makes_no_folder(ledger: Ledger) -> None:
    assert ledger.entries() == ()
    assert not ledger.folder.exists()


def test_what_a_live_owner_started_is_no_orphan_even_past_its_time(ledger: Ledger) -> None:
    ledger.add("container", "mine", expires=1.0)
    assert ledger.orphans() == ()


def test_what_a_killed_process_started_is_reaped(ledger: Ledger) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", ADD_AND_SLEEP, str(ledger.folder.parent)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "added\n"
    assert ledger.orphans() == ()
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, but a zombie still
    assert [entry.name for entry in ledger.orphans()] == ["left-behind"]
    process.communicate()
    assert [entry.name for entry in ledger.orphans()] == ["left-behind"]
    assert [found.outcome for found in reap(ledger, {"container": lambda _: True})] == ["removed"]
    assert ledger.entries() == ()


def test_a_pid_that_was_given_out_again_is_not_taken_for_the_owner(ledger: Ledger) -> None:
    here = identity()
    reused = msgspec.structs.replace(here, start=str(int(here.start) - 1))
    assert alive(here)
    assert not alive(reused)
    assert ledger.orphans() == ()
    assert with_owner(ledger, reused) in ledger.orphans()


def test_after_a_reboot_every_owner_of_this_machine_is_dead() -> None:
    machine, _, namespace = identity().boot.split(".")
    assert look(msgspec.structs.replace(identity(), boot=f"{machine}.other-boot.{namespace}")) == "dead"


def test_owners_on_another_machine_or_in_another_container_are_not_called_dead() -> None:
    machine, boot, _ = identity().boot.split(".")
    assert look(elsewhere(identity())) == "unknown"
    assert look(msgspec.structs.replace(identity(), boot=f"{machine}.{boot}.1")) == "unknown"
    assert alive(elsewhere(identity()))


def test_what_another_machine_left_is_reaped_when_its_time_is_past(ledger: Ledger) -> None:
    far = elsewhere(identity())
    with_owner(ledger, far)
    with_owner(ledger, far, expires=time.time() + 3600)
    expired = with_owner(ledger, far, expires=time.time() - 60)
    forgotten = with_owner(ledger, far, created=time.time() - FOREIGN_SECONDS - 1)
    assert {entry.id for entry in ledger.orphans()} == {expired.id, forgotten.id}


def test_what_is_detached_outlives_its_owner_until_it_expires(ledger: Ledger) -> None:
    dead = Owner(2**22 + 1, "1", identity().boot)
    for name, expires in (("for ever", None), ("runs", time.time() + 3600), ("over", time.time() - 60)):
        with_owner(ledger, dead, name=name, expires=expires, detached=True)
    assert [entry.name for entry in ledger.orphans()] == ["over"]


@pytest.mark.parametrize("boot", ["", "x", "a.b", "a.b.c.d"])
def test_a_hostile_boot_text_is_no_crash(boot: str) -> None:
    assert look(Owner(1, "1", boot)) in {"alive", "dead", "unknown"}


def test_without_proc_an_owner_is_known_by_its_creation_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(owner_module, "_start", owner_module._start_by_psutil)
    monkeypatch.setattr(owner_module, "_identity", owner_module._identity.__wrapped__)
    here = identity()
    assert alive(here)
    assert not alive(msgspec.structs.replace(here, start="1.0"))
    assert not alive(msgspec.structs.replace(here, pid=2**22 + 1))


def test_a_forked_child_is_an_owner_of_its_own() -> None:
    program = (
        "import os\nfrom noxlib.ledger import identity\nmine = identity()\n"
        "pid = os.fork()\nif pid == 0:\n    os._exit(int(identity().pid == mine.pid))\n"
        "assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"id": 3}', b"null"])
def test_a_damaged_entry_is_moved_aside_and_reported(
    ledger: Ledger, damage: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    good = ledger.add("container", "good")
    (ledger.folder / "0-bad.json").write_bytes(damage)
    assert ledger.entries() == (good,)
    assert (ledger.folder / "damaged" / "0-bad.json").read_bytes() == damage
    assert "0-bad.json" in capsys.readouterr().err
    assert ledger.entries() == (good,)
    assert capsys.readouterr().err == ""


def test_an_entry_whose_id_points_elsewhere_is_damaged(ledger: Ledger) -> None:
    entry = msgspec.structs.replace(ledger.add("folder", "x"), id="../../outside")
    (ledger.folder / "1.json").write_bytes(msgspec.json.encode(entry))
    assert entry not in ledger.entries()


def test_what_a_killed_writer_left_half_written_is_swept_later(ledger: Ledger) -> None:
    ledger.add("folder", "x")
    young, old = ledger.folder / ".tmp-young", ledger.folder / ".tmp-old"
    young.touch()
    old.touch()
    os.utime(old, (0, 0))
    assert len(ledger.entries()) == 1
    assert (young.exists(), old.exists()) == (True, False)


@pytest.mark.parametrize("what", ["entry", "memory"])
def test_what_a_writer_left_half_written_is_swept_as_soon_as_it_is_dead(ledger: Ledger, what: str) -> None:
    folder = str(ledger.folder.parent)
    assert subprocess.run([sys.executable, "-c", KILLED, folder, what], check=False).returncode == -signal.SIGKILL
    assert list(ledger.folder.parent.glob("engines/*")) == []
    assert [path.name[:5] for path in ledger.folder.iterdir()] == [".tmp-"]
    assert ledger.entries() == ()
    assert list(ledger.folder.iterdir()) == []


@settings(max_examples=50)
@given(
    kind=st.text(min_size=1),
    name=st.text(alphabet=st.characters()) | st.binary().map(os.fsdecode),
    details=st.dictionaries(st.text(), st.binary().map(os.fsdecode), max_size=3),
)
def test_any_name_is_kept_as_it_is(ledger: Ledger, kind: str, name: str, details: dict[str, str]) -> None:
    entry = ledger.add(kind, name, details=details)
    assert ledger.entries() == (entry,)
    ledger.strike(entry)
    assert ledger.entries() == ()


def test_two_processes_write_at_once_while_a_third_reads(ledger: Ledger) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", ADD_MANY, str(ledger.folder.parent), name]) for name in ("a", "b")
    ]
    while any(writer.poll() is None for writer in writers):
        ledger.entries()
    assert [writer.returncode for writer in writers] == [0, 0]
    assert {entry.name for entry in ledger.entries()} == {f"{w}-{n}" for w in "ab" for n in range(0, 100, 2)}
    assert not (ledger.folder / "damaged").exists()


def test_reap_keeps_what_nobody_can_remove_and_says_so(ledger: Ledger) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    with_owner(ledger, dead)

    def unreachable(_: Entry) -> bool:
        raise EngineError("the engine is stopped", "start it")

    assert [found.reason for found in reap(ledger, {})] == ["nothing here removes a container"]
    assert [found.reason for found in reap(ledger, {"container": unreachable})] == ["the engine is stopped"]
    assert [found.reason for found in reap(ledger, {"container": lambda _: False})] == ["it is still there"]
    assert len(ledger.entries()) == 1


def test_reap_removes_last_what_was_made_first(ledger: Ledger) -> None:
    dead = msgspec.structs.replace(identity(), start="1")
    names = [str(number) for number in range(30)]  # of which some are made within one millisecond
    for name in names:
        with_owner(ledger, dead, name=name)
    reaped = reap(ledger, {"container": lambda _: True})
    assert [found.entry.name for found in reaped] == names[::-1]


def test_reap_touches_nothing_of_a_live_owner(ledger: Ledger) -> None:
    ledger.add("container", "mine")

    def remover(entry: Entry) -> bool:
        raise AssertionError(f"{entry.name} is of a live owner")

    assert reap(ledger, {"container": remover}) == ()
    assert len(ledger.entries()) == 1


def test_a_ledger_that_cannot_be_written_is_an_error_of_two_lines(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file is in the way")
    with pytest.raises(CacheError) as caught:
        Ledger(tmp_path).add("container", "x")
    assert len(str(caught.value).splitlines()) == 2


def test_the_state_folder_is_the_variables_or_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    assert state_folder() == tmp_path
    monkeypatch.delenv("NOXLIB_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert state_folder().is_absolute()
    assert state_folder().name == "noxlib"


def test_adding_an_entry_imports_nothing_that_takes_long(tmp_path: Path) -> None:
    program = (
        "import pathlib, sys\nfrom noxlib.ledger import Ledger\n"
        "Ledger(pathlib.Path(sys.argv[1])).add('container', 'x')\n"
        "assert not {'psutil', 'uv', 'rich'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=True)


@pytest.mark.parametrize("chosen", ["/proc/noxlib", "/proc/noxlib/deeper"])
def test_a_state_folder_that_cannot_be_made_is_two_lines(chosen: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", chosen)
    with pytest.raises(FileNotFoundError) as caught:
        (state_folder() / "locks").mkdir(parents=True)
    told = refusal(caught.value)
    assert told is not None
    assert told.what == f"the folder {chosen} cannot be made"
    assert "NOXLIB_CACHE_DIR" in told.todo


def test_another_file_that_is_not_there_is_a_mistake_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path / "state"))
    with pytest.raises(FileNotFoundError) as caught:
        (state_folder() / "no such file").read_bytes()
    assert refusal(caught.value) is None
