"""Limits that the place keeps: a test that meets one is told as what it is, by its name."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.errors import PlaceError
from noxlib.ledger import Ledger
from noxlib.places import reach
from noxlib.places.host import Command
from noxlib.plan import Limits
from tests.engines.hosts import World, leftovers

from .checks import left_in_engine
from .conftest import Nox

Adopt = Callable[..., Nox]

pytestmark = pytest.mark.docker
MEGABYTE = 1024 * 1024
TESTS = """
def test_small(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * 1000)

def test_disk(tmp_path):
    (tmp_path / "x").write_bytes(b"x" * (40 << 20))

def test_after():
    pass
"""
EATS = "def test_before(): pass\n\ndef test_eats(): assert len(b'x' * (900 << 20))\n\ndef test_after(): pass\n"
WRITE = """
import errno, os, sys
for folder in (".", "/tmp", "/var/tmp", os.environ["HOME"]):
    path = os.path.join(folder, "filler")
    try:
        with open(path, "wb") as stream:
            for _ in range(20):
                stream.write(bytes(1 << 20))
    except OSError as error:
        print(folder if folder[0] != "/home" else "home", errno.errorcode[error.errno])
    os.unlink(path)
print(sorted(os.listdir("."))[:3])
os.makedirs(".pytest_cache", exist_ok=True)
open(".pytest_cache/kept", "w").close()
"""


def test_all_that_a_command_writes_lies_on_a_disk_of_limited_size(tmp_path: Path) -> None:
    world = World(tmp_path, "container", f"container-{secrets.token_hex(4)}").create()
    log = world.root / "log"
    with world.host() as host:
        ended = host.run(Command((host.python, "-c", WRITE), log=log, echo=False, limits=Limits(disk=8 * MEGABYTE)))
        written = host.write_back((), world.checkout)
    assert ended.code == 0, log.read_text()
    refused = [line.split()[-1] for line in log.read_text().splitlines()[:4]]
    assert refused == ["ENOSPC"] * 4
    assert written == (".pytest_cache/kept",)
    assert leftovers(world) == []


def test_an_engine_that_does_not_see_this_machine_says_that_it_cannot(tmp_path: Path) -> None:
    world = World(tmp_path, "container", f"container-{secrets.token_hex(4)}").create()
    docker = Docker.connect()
    reach.remember(docker, world.ledger, reach.Reach(bind=False, overlay=False, uid=0, gid=0, reason="by the test"))
    with world.host() as host, pytest.raises(PlaceError, match="cannot limit the disk") as caught:
        host.run(Command((host.python, "-c", "pass"), limits=Limits(disk=8 * MEGABYTE)))
    assert len(str(caught.value).splitlines()) == 2
    docker.close()
    assert leftovers(world) == []


def test_a_test_that_fills_the_disk_is_the_cause(adopt: Adopt, own_state: Path) -> None:
    nox = adopt("flat", '[unit]\ndisk = "16m"\n')
    (nox.folder / "tests" / "test_disk.py").write_text(TESTS)
    ended = nox("-s", "unit-3.10", "--", "--place", "container", "tests/test_disk.py")
    record = nox.record
    assert (ended.code, record.outcome, record.cause) == (1, "failed", "disk-full"), ended.output
    assert (record.counts.passed, record.counts.failed) == (2, 1)
    assert record.message is not None
    assert record.message.startswith("tests/test_disk.py::test_disk: OSError: [Errno 28] No space left on device")
    assert left_in_engine(nox) == []
    assert Ledger(own_state).entries() == ()


@pytest.mark.parametrize("place", ["container", "venv"])
def test_a_test_that_eats_memory_is_the_cause(adopt: Adopt, place: str) -> None:
    nox = adopt("flat", '[unit]\nmemory = "400m"\n')
    (nox.folder / "tests" / "test_eats.py").write_text(EATS)
    ended = nox("-s", "unit-3.10", "--", "--place", place, "tests/test_eats.py")
    record = nox.record
    assert (ended.code, record.outcome, record.cause) == (1, "failed", "out-of-memory"), ended.output
    assert [failure.id for failure in record.failures] == ["tests/test_eats.py::test_eats"]
    assert record.message is not None
    assert "tests/test_eats.py::test_eats" in record.message
    # By its own limit the test alone fails; the kernel ends the whole process.
    assert record.counts.passed == (2 if place == "venv" else 1)
    assert "not memory" not in ended.output
