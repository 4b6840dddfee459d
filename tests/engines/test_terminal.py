"""At a terminal: prompts are answered in every place, colours shown, and the run's log is kept all the same."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.records import store

from .checks import began, left_in_engine, processes_naming
from .conftest import Nox, settled, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]
Open = Callable[..., "Screen"]
PLACES = ["container", "venv"]
STOPS = "def test_stops():\n    number = 41\n    breakpoint()\n    print('after', number)\n    assert number\n"

pytestmark = [pytest.mark.docker]


class Screen:
    """nox at a terminal of 24 lines and 93 columns, whose person is the test."""

    def __init__(self, nox: Nox, words: tuple[str, ...], variables: dict[str, str]) -> None:
        self.main, line = pty.openpty()
        fcntl.ioctl(line, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 93, 0, 0))
        argv = [word for word in nox.argv(*words) if word != "--no-color"]
        self.process = subprocess.Popen(
            argv,
            cwd=nox.folder,
            env={**nox.environment, "TERM": "xterm", **variables},
            stdin=line,
            stdout=line,
            stderr=line,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - no other way to do it
        )
        os.close(line)
        self.shown = ""
        self.seen = 0

    def until(self, wanted: str, seconds: float = 300.0) -> None:
        """Wait for a text beyond the one that was waited for last."""
        deadline = time.monotonic() + seconds
        while wanted not in self.shown[self.seen :]:
            left = deadline - time.monotonic()
            if left <= 0 or not self._more(left):
                pytest.fail(f"{wanted!r} did not come in:\n{self.shown}")
        self.seen = self.shown.index(wanted, self.seen) + len(wanted)

    def type(self, text: str) -> None:
        os.write(self.main, text.encode())

    def end(self) -> int:
        """All that still comes, then the exit code."""
        while self._more(300.0):
            pass
        return self.process.wait(300)

    def _more(self, seconds: float) -> bool:
        if not select.select([self.main], [], [], seconds)[0]:
            return False
        try:
            chunk = os.read(self.main, 65536)
        except OSError:  # Linux tells the end of a terminal so
            return False
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)


@pytest.fixture
def screen() -> Iterator[Open]:
    opened: list[Screen] = []

    def at_terminal(nox: Nox, *words: str, **variables: str) -> Screen:
        opened.append(Screen(nox, words, variables))
        return opened[-1]

    yield at_terminal
    for one in opened:
        if one.process.poll() is None:
            os.killpg(one.process.pid, signal.SIGKILL)
        one.process.wait()
        os.close(one.main)


@pytest.mark.parametrize("place", PLACES)
def test_a_breakpoint_waits_for_its_answer_and_the_log_has_it_all(adopt: Adopt, screen: Open, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_stops.py").write_text(STOPS)
    shown = screen(nox, "-s", "unit-3.10", "--", "--place", place, "tests/test_stops.py")
    shown.until("(Pdb) ")
    shown.type("number + 1\n")
    shown.until("42")
    shown.until("(Pdb) ")
    shown.type("continue\n")
    assert shown.end() == 0, shown.shown
    assert "\x1b[32m" in shown.shown  # green
    assert nox.record.counts.passed == 1
    log = (store.runs(nox.folder)[0].path / "logs" / "output.log").read_text()
    assert "(Pdb) number + 1\n42" in re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]|\r", "", log)
    assert "1 passed" in log
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", PLACES)
def test_pdb_stops_at_the_failure_and_quit_ends(adopt: Adopt, screen: Open, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_stops.py").write_text("def test_fails():\n    number = 41\n    assert number == 42\n")
    shown = screen(nox, "-s", "unit-3.10", "--", "--place", place, "--pdb", "tests/test_stops.py")
    shown.until("(Pdb) ")
    shown.type("number + 2\n")
    shown.until("43")
    shown.type("quit\n")
    assert shown.end() == 1, shown.shown
    assert (nox.record.outcome, nox.record.counts.failed) == ("failed", 1)
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", PLACES)
def test_trace_stops_at_the_start_of_a_test(adopt: Adopt, screen: Open, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "tests" / "test_stops.py").write_text("def test_goes_on():\n    number = 41\n    assert number\n")
    shown = screen(nox, "-s", "unit-3.10", "--", "--place", place, "--trace", "tests/test_stops.py")
    shown.until("(Pdb) ")
    shown.type("next\n")
    shown.until("(Pdb) ")
    shown.type("continue\n")
    assert shown.end() == 0, shown.shown
    assert nox.record.counts.passed == 1


@pytest.mark.parametrize("place", PLACES)
def test_a_shell_is_opened_in_the_workspace_with_the_windows_size(adopt: Adopt, screen: Open, place: str) -> None:
    nox = adopt("src_layout")
    shown = screen(nox, "-s", "testground_shell-3.10", "--", "--place", place)
    shown.until(f"testground_shell-3.10: {place}")
    # The engine gives the terminal its size a moment after the shell has started.
    shown.type("until [ \"$(stty size)\" = '24 93' ]; do sleep 0.1; done; echo size is $(stty size)\n")
    shown.until("size is 24 93")
    shown.type("python -c 'import letters; print(letters.__file__)'; exit\n")
    assert shown.end() == 0, shown.shown
    assert "/workspace/src/letters/__init__.py" in shown.shown
    assert left_in_engine(nox) == []


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_ends_the_tests_and_the_sessions_that_wait(adopt: Adopt, screen: Open, place: str) -> None:
    nox = adopt("hangs")
    shown = screen(nox, "-s", "unit-3.10", "unit-3.11", NOXLIB_PLACE=place)
    wait_until(lambda: began(nox, "test_hangs"), "the test that hangs")
    shown.type("\x03")
    assert shown.end() != 0
    assert "Traceback" not in shown.shown
    assert "unit-3.11" not in shown.shown
    assert (nox.record.outcome, nox.record.cause) == ("cancelled", "interrupted")
    assert nox.record.counts.passed == 1
    assert left_in_engine(nox) == []
    assert settled(lambda: processes_naming(str(nox.folder))) == []


def test_in_the_background_nobody_is_asked(adopt: Adopt, screen: Open) -> None:
    nox = adopt("flat")
    command = " ".join(nox.argv("-s", "unit-3.10", "--", "--place", "venv"))
    shell = Nox(nox.folder, nox.environment)
    shell.argv = lambda *words: ["bash", "-c", *words]  # type: ignore[method-assign]
    shown = screen(shell, f"set -m; {command} & wait $!")
    assert shown.end() == 0, shown.shown
    assert "2 passed" in shown.shown
