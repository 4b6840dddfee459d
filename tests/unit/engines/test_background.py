"""What goes on in the background: its output is kept as it comes, and at no moment is a secret in what is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Callable

import pytest

from noxlib.engines import background
from noxlib.errors import EngineError

ROOT = Path(__file__).parents[3]
SECRET = "correct-horse-battery"
#: It prints a secret in two parts, and goes on until nobody reads it any more.
PRINTS = f"""
import time
print("token {SECRET[:9]}", end="", flush=True)
time.sleep(0.1)
print("{SECRET[9:]}", flush=True)
while True:
    print("more", flush=True)
    time.sleep(0.05)
"""
KEEPS = """
import os, sys, time
from pathlib import Path
from noxlib.engines import background
argv = (sys.executable, "-c", sys.argv[2])
with background.started(argv, env=os.environ, log=Path(sys.argv[1]), secrets=(sys.argv[3],)):
    time.sleep(600)
"""


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-c", script)


def wait_until(true: Callable[[], bool]) -> None:
    for _ in range(30_000):
        if true():
            return
        time.sleep(0.02)
    raise AssertionError("it never came")


def ended(one: background.Background) -> int:
    wait_until(lambda: one.poll() is not None)
    code = one.poll()
    assert code is not None
    return code


def test_who_is_killed_leaves_no_secret_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "it.log"
    with subprocess.Popen((*python(KEEPS), log, PRINTS, SECRET), cwd=ROOT) as keeper:
        wait_until(lambda: log.exists() and b"more" in log.read_bytes())
        os.kill(keeper.pid, signal.SIGKILL)
    said = log.read_text()
    assert said.startswith("token ***\nmore\n")
    assert SECRET[9:] not in said


def test_how_it_ended_is_told_once_all_that_it_printed_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "it.log"
    script = "import sys; print('ä' * 1_000_000, flush=True); print('last', file=sys.stderr); sys.exit(3)"
    with background.started(python(script), env={"PYTHONUTF8": "1"}, log=log) as one:
        assert ended(one) == 3
        assert log.read_text(encoding="utf-8") == "ä" * 1_000_000 + "\nlast\n"


def test_leaving_ends_it_with_all_that_it_started(tmp_path: Path) -> None:
    script = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {PRINTS!r}])"
    log = tmp_path / "it.log"
    with background.started(python(script), env=dict(os.environ), log=log) as one:
        wait_until(lambda: b"more" in log.read_bytes())
        assert one.poll() is None
    assert one.poll() == -signal.SIGKILL


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="of Linux")
def test_a_full_disk_neither_stops_it_nor_lets_it_wait() -> None:
    with background.started(python("print('x' * 1_000_000)"), env=dict(os.environ), log=Path("/dev/full")) as one:
        assert ended(one) == 0


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(EngineError, match="no-such-program"),
        background.started(("no-such-program",), env=dict(os.environ), log=tmp_path / "it.log"),
    ):
        pass
