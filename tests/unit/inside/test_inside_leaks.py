"""The processes that are there, told while they begin and end."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from noxlib.inside import leaks

SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]

pytestmark = pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="processes are read where there is a /proc")


@pytest.fixture
def sleeping() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(SLEEP) as process:
        yield process
        process.kill()


def of(process: subprocess.Popen[bytes]) -> list[str]:
    return [key for key in leaks.processes() if key.startswith(f"process {process.pid} ")]


def test_a_process_that_ends_while_it_is_looked_at_keeps_its_name(
    sleeping: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = of(sleeping)
    assert len(name) == 1
    reading = leaks._status

    def read_and_end(pid: str) -> leaks.Status:
        found = reading(pid)
        if pid == str(sleeping.pid):
            sleeping.kill()
            sleeping.wait()
        return found

    monkeypatch.setattr(leaks, "_status", read_and_end)
    assert of(sleeping) == name
    assert of(sleeping) == []


@pytest.fixture
def marked(monkeypatch: pytest.MonkeyPatch) -> Iterator[subprocess.Popen[bytes]]:
    """A process of which only its environment tells whose it is."""
    monkeypatch.setenv(leaks.MARK, "here")
    monkeypatch.setattr(leaks, "strangers", set())
    with subprocess.Popen(SLEEP) as process:
        while not Path(f"/proc/{process.pid}/environ").read_bytes():  # it is in the middle of exec
            time.sleep(0.01)
        reading = leaks._status

        def orphaned(pid: str) -> leaks.Status:
            found = reading(pid)
            return found._replace(parent="1") if pid == str(process.pid) else found

        monkeypatch.setattr(leaks, "_status", orphaned)
        yield process
        process.kill()


def empty_at_first(pid: int, times: int) -> Callable[..., Any]:
    """An ``open`` to which the environment of a process is empty so many times."""
    left = iter(range(times))

    def opened(name: str, *words: Any, **named: Any) -> Any:
        if name == f"/proc/{pid}/environ":
            with contextlib.suppress(StopIteration):
                next(left)
                return io.BytesIO()
        return open(name, *words, **named)  # noqa: PTH123 - what is replaced

    return opened


def test_a_process_whose_program_is_just_replaced_is_no_stranger(
    marked: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "open", empty_at_first(marked.pid, 3), raising=False)
    assert len(of(marked)) == 1


def test_a_process_without_an_environment_is_a_stranger(
    marked: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leaks, "open", empty_at_first(marked.pid, leaks.LOOKS), raising=False)
    assert of(marked) == []
    assert str(marked.pid) in leaks.strangers
