"""Ctrl-C, or worse, while something is being made: it ends at once, leaves nothing, and the next start works."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.ledger import Ledger

from .checks import left_in_engine, left_of_state, processes_of, read, remove_images, rename
from .conftest import Nox, kill_group, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]
PLACES = ["container", "venv"]
LONG = 3600  #: seconds of what is interrupted, for which nobody could have waited

DOCKERFILE = """ARG PYTHON_VERSION=3.10
FROM python:${{PYTHON_VERSION}}-slim
RUN --mount=type=secret,id=ca,mode=0444 --mount=type=secret,id=index \\
    if [ -f /run/secrets/ca ]; then export PIP_CERT=/run/secrets/ca; fi; \\
    if [ -f /run/secrets/index ]; then set -a; . /run/secrets/index; set +a; fi; \\
    python -m pip install --quiet --retries 10 --root-user-action=ignore pytest coverage
RUN echo {token} && sleep {seconds}
"""
SETUP = """
import sys, time
from setuptools import setup

if "editable_wheel" in sys.argv:
    print("it takes long", flush=True)
    time.sleep({seconds})
setup()
"""

pytestmark = [pytest.mark.docker]


def interrupted(process: subprocess.Popen[str], *, whole_group: bool = True) -> str:
    """Ctrl-C, as a terminal gives it to the whole group, or to nox alone; what was printed."""
    if whole_group:
        kill_group(process, signal.SIGINT)
    else:
        os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 130, output
    assert "Traceback" not in output, output
    return output


def nothing_is_left(nox: Nox, state: Path) -> None:
    assert left_of_state(state) == []
    assert processes_of(state) == []
    assert left_in_engine(nox) == []
    assert nox.record.outcome == "cancelled"


@pytest.fixture
def slow_build(adopt: Adopt, own_state: Path) -> Iterator[tuple[Nox, str]]:
    """A project whose image takes a minute to build, and a word that the builder's log shows at that moment."""
    del own_state  # it is there before nox learns its environment
    nox = adopt("flat")
    token = rename(nox)
    (nox.folder / "Dockerfile.test").write_text(DOCKERFILE.format(token=token, seconds=LONG))
    yield nox, token
    remove_images(token)


def builds(state: Path, token: str) -> bool:
    return any(re.search(rf"^#\d+ [\d.]+ {token}$", read(log), re.MULTILINE) for log in state.glob("builds/*.log"))


@pytest.mark.parametrize("whole_group", [True, False])
def test_ctrl_c_ends_a_build(slow_build: tuple[Nox, str], own_state: Path, *, whole_group: bool) -> None:
    nox, token = slow_build
    process = nox.start("-s", "unit-3.10")
    wait_until(lambda: builds(own_state, token), "the slow step of the build")
    interrupted(process, whole_group=whole_group)
    nothing_is_left(nox, own_state)
    (nox.folder / "Dockerfile.test").write_text(DOCKERFILE.format(token=token, seconds=0))
    ended = nox("-s", "unit-3.10")
    assert ended.code == 0, ended.output


def test_a_build_that_was_killed_is_done_again(slow_build: tuple[Nox, str], own_state: Path) -> None:
    nox, token = slow_build
    process = nox.start("-s", "unit-3.10")
    wait_until(lambda: builds(own_state, token), "the slow step of the build")
    kill_group(process)
    process.communicate(timeout=300)
    assert Ledger(own_state).orphans()
    (nox.folder / "Dockerfile.test").write_text(DOCKERFILE.format(token=token, seconds=0))
    ended = nox("-s", "unit-3.10")
    assert ended.code == 0, ended.output
    assert left_of_state(own_state) == []
    assert processes_of(own_state) == []


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_ends_the_locking(adopt: Adopt, own_state: Path, place: str) -> None:
    nox = adopt("flat")
    with socket.create_server(("127.0.0.1", 0)) as index:  # it takes questions and gives no answer
        address = f"http://127.0.0.1:{index.getsockname()[1]}/simple"
        process = nox.start("-s", "unit-3.10", NOXLIB_PLACE=place, UV_DEFAULT_INDEX=address, UV_NO_CACHE="1")
        index.settimeout(600)
        asked, _ = index.accept()
        with asked:
            interrupted(process, whole_group=False)
    nothing_is_left(nox, own_state)
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert ended.code == 0, ended.output


@pytest.mark.parametrize("place", PLACES)
def test_ctrl_c_ends_the_projects_own_build(adopt: Adopt, own_state: Path, place: str) -> None:
    nox = adopt("flat")
    (nox.folder / "setup.py").write_text(SETUP.format(seconds=LONG))

    def preparing() -> bool:
        return any("it takes long" in read(log) for log in own_state.glob("prepared/building/*/files/prepare.log"))

    process = nox.start("-s", "unit-3.10", NOXLIB_PLACE=place)
    wait_until(preparing, "the project's own build")
    interrupted(process, whole_group=False)
    nothing_is_left(nox, own_state)
    (nox.folder / "setup.py").write_text(SETUP.format(seconds=0))
    ended = nox("-s", "unit-3.10", NOXLIB_PLACE=place)
    assert ended.code == 0, ended.output
