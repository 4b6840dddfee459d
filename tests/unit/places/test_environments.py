"""Environments are whole or gone: also where what makes or removes one is killed in the middle."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from noxlib import atomic
from noxlib.engines import uv
from noxlib.ledger import Entry, Ledger
from noxlib.places import environments, slots
from noxlib.places.environments import KEPT, KIND, READY
from noxlib.places.leftovers import Removers

WRITES = """
import itertools, os, sys, time
for number in itertools.count():
    os.makedirs(f"{sys.argv[1]}/{number}")
    print(number)
    time.sleep(0.001)
"""


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def half_made(state: Path, slot: slots.Slot) -> Entry:
    """What a run leaves that was killed while it made an environment."""
    folder = state / "environments" / "e"
    (folder / "bin").mkdir(parents=True)
    return Ledger(state).add(KIND, str(folder), details={"lock": str(slot.lock)})


def test_half_an_environment_stays_written_down_while_its_workspace_is_in_use(tmp_path: Path, state: Path) -> None:
    slot = slots.take(state, tmp_path, "3.10")
    entry = half_made(state, slot)
    remove = Removers(Ledger(state)).by_kind()[KIND]
    assert not remove(entry)  # the run that has the workspace may be making it anew
    slot.release()
    assert remove(entry)
    assert not Path(entry.name).exists()
    assert remove(entry)


def test_who_still_writes_to_half_an_environment_is_ended_before_it_is_removed(tmp_path: Path, state: Path) -> None:
    slot = slots.take(state, tmp_path, "3.10")
    entry = half_made(state, slot)
    slot.release()
    argv = [sys.executable, "-u", "-c", WRITES, entry.name]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env={**os.environ, uv.WRITES: entry.name}) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        threading.Thread(target=writer.stdout.read).start()
        try:
            assert Removers(Ledger(state)).by_kind()[KIND](entry)
            assert writer.wait(timeout=120) == -signal.SIGKILL
        finally:
            writer.kill()
    assert not Path(entry.name).exists()


def test_a_finished_environment_of_a_dead_run_stays_whoever_uses_it(tmp_path: Path, state: Path) -> None:
    slot = slots.take(state, tmp_path, "3.10")
    entry = half_made(state, slot)
    Path(entry.name, READY).touch()
    remove = Removers(Ledger(state)).by_kind()[KIND]
    assert remove(entry)
    slot.release()
    assert remove(entry)
    assert Path(entry.name, READY).exists()


def test_an_environment_half_removed_is_not_taken_for_whole(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def create(folder: Path, _interpreter: str) -> None:
        (folder / "lib" / "python3.10" / "site-packages").mkdir(parents=True)

    def killed(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(state))
    monkeypatch.setattr(uv, "create_environment", create)
    monkeypatch.setattr(uv, "install", lambda *_: None)
    interpreter, locked = tmp_path / "python", tmp_path / "pylock.toml"
    interpreter.touch()
    slot = slots.take(state, tmp_path, "3.10")

    def make(number: int) -> Path:
        locked.write_text(str(number))
        return environments.make(state, slot, interpreter, [locked])

    for number in range(KEPT):
        make(number)
    removed = atomic.remove_tree
    monkeypatch.setattr(atomic, "remove_tree", lambda path: (killed if path.exists() else removed)(path))
    with pytest.raises(KeyboardInterrupt):
        make(KEPT)
    monkeypatch.setattr(atomic, "remove_tree", removed)
    (half,) = [path for path in (state / "environments").iterdir() if not (path / READY).exists()]
    assert [entry.name for entry in Ledger(state).entries()] == [str(half)]
    slot.release()
    assert Removers(Ledger(state)).by_kind()[KIND](Ledger(state).entries()[0])
    assert not half.exists()
