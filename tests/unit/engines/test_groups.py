"""The end of a process group: nobody in it holds a file any more."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

from noxlib.engines import groups, strays

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

#: Memory is given back before files are closed, so that this one takes a while to let go of its lock.
HOLDS = """
import fcntl, sys, time
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
memory = bytearray(300_000_000)
print("held", flush=True)
time.sleep(600)
"""
STARTS_ONE = "import subprocess, sys; subprocess.run([sys.executable, '-c', *sys.argv[1:]])"


def test_no_process_of_a_group_that_was_ended_holds_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "END_SECONDS", 600.0)  # for a machine that is busy
    words = (sys.executable, "-c", STARTS_ONE, HOLDS, str(tmp_path / "lock"))
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        groups.end(child)
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_no_process_that_was_killed_by_its_mark_holds_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "END_SECONDS", 600.0)  # as above
    mark = f"test-{uuid.uuid4()}"
    words = (sys.executable, "-c", HOLDS, str(tmp_path / "lock"))
    environment = {**os.environ, "NOXLIB_RUN": mark}
    with subprocess.Popen(words, stdout=subprocess.PIPE, start_new_session=True, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert strays.kill_marked("NOXLIB_RUN", mark) == 1
        with (tmp_path / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_the_end_of_a_group_that_has_ended_is_no_error() -> None:
    with subprocess.Popen(("true",), start_new_session=True) as child:
        child.wait()
        groups.end(child)
        assert child.returncode == 0
