"""A second docker engine, on a small disk of its own, which these tests may fill and stop."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

from noxlib.engines.docker import Docker
from noxlib.errors import EngineError
from noxlib.ledger import Ledger

from .checks import began, told
from .conftest import Nox, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

Adopt = Callable[..., Nox]

SIZE = 700  #: MiB in memory
NAMESPACE = 'ip link set lo up && echo "$0" >/proc/sys/net/ipv4/ip_local_port_range && exec "$@"'
FILLS = """ARG PYTHON_VERSION=3.10
FROM python:${PYTHON_VERSION}-slim
RUN dd if=/dev/zero of=/big bs=1M count=2000
"""

pytestmark = [pytest.mark.docker]


class Engine:
    """A dockerd with its own folder, socket and containerd.

    Its network namespace is its own as well: in the common one it would take the bridge of the other engine away.

    Args:
        ports: The first and the last of the ports that are free there: ``"40000 40001"``.
    """

    def __init__(self, ports: str = "32768 60999") -> None:
        self.ports = ports
        self.folder = Path(
            tempfile.gettempdir(), f"nle-{secrets.token_hex(4)}"
        )  # a socket's path is short, a namespace has no _
        self.folder.mkdir(mode=0o700)
        self.disk = self.folder / "data"
        self.disk.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "noxlib-test", self.disk], check=True)
        self.url = f"unix://{self.folder}/docker.sock"
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        self.launch()
        wait_until(self.answers, "the second dockerd")

    def launch(self) -> None:
        argv = [
            *("unshare", "--net", "sh", "-c", NAMESPACE, self.ports),
            "dockerd",
            f"--host={self.url}",
            f"--data-root={self.disk}",
            f"--exec-root={self.folder}/run",
        ]
        quiet = ["--iptables=false", "--ip6tables=false", "--ip-forward=false", "--ip-masq=false"]
        own = [
            f"--pidfile={self.folder}/pid",
            f"--containerd-namespace={self.folder.name}",
            f"--containerd-plugins-namespace={self.folder.name}-plugins",
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([*argv, *quiet, *own], stdout=log, stderr=log, start_new_session=True)

    def answers(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:  # it ends where its containerd has not begun within 15 s
            self.launch()
        try:
            Docker.connect({"DOCKER_HOST": self.url}).close()
        except EngineError:
            return False
        return True

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(120)
            self.process.kill()
            self.process.wait()
        self.process = None

    def load(self, *images: str) -> None:
        """Hand images over from the engine of the other tests."""
        saved = subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE)
        with saved:
            subprocess.run(["docker", "--host", self.url, "load", "-q"], stdin=saved.stdout, check=True)
        assert saved.returncode == 0

    def fill(self) -> Path:
        filler = self.disk / "filler"
        with filler.open("wb", buffering=0) as stream:
            try:
                while True:
                    stream.write(bytes(65536))
            except OSError:
                return filler

    def left(self) -> list[int]:
        """Its containerd and shims, which outlive a dockerd that was killed."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in path.read_bytes():
                    found.append(int(path.parent.name))
        return found

    def close(self) -> None:
        self.stop()
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):  # it ended by itself
                os.kill(pid, signal.SIGKILL)
        subprocess.run(["umount", "--lazy", self.disk], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def engine() -> Iterator[Engine]:
    one = Engine()
    yield one
    one.close()


def built(nox: Nox) -> str:
    """Run once in the engine of the other tests, so that all is made; the testground's image."""
    ended = nox("-s", "unit-3.10", "--", "--place", "container", "--collect-only")
    image = nox.record.testground.image
    assert image, ended.output
    return image


def test_an_engine_without_room_is_two_lines_and_works_again_with_room(adopt: Adopt, engine: Engine) -> None:
    nox = adopt("flat")
    engine.load("python:3.10-slim", built(nox))
    nox.environment["DOCKER_HOST"] = engine.url

    filler = engine.fill()
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 2, ended.output
    assert "the engine's disk is full" in ended.output
    assert "docker system df" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")
    assert nox.record.attempts == 2
    filler.unlink()
    ended = nox("-s", "unit-3.10")
    assert ended.code == 0, ended.output

    (nox.folder / "Dockerfile.test").write_text(FILLS)
    ended = nox("-s", "unit-3.10")
    assert told(ended) == 2, ended.output
    assert "the engine's disk is full" in ended.output
    assert (nox.record.outcome, nox.record.cause) == ("error", "disk-full")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_an_engine_that_is_stopped_in_the_middle_is_told(
    adopt: Adopt, engine: Engine, own_state: Path, number: int
) -> None:
    nox = adopt("hangs")
    engine.load("python:3.10-slim", built(nox))
    nox.environment["DOCKER_HOST"] = engine.url
    process = nox.start("-s", "unit-3.10", "--", "--place", "container")
    wait_until(lambda: began(nox, "test_hangs"), "the test that hangs")
    engine.stop(number)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 1, output
    assert "Traceback" not in output
    assert nox.record.counts.passed == 1
    assert nox.record.outcome in ("error", "cancelled", "failed")

    engine.start()
    ended = nox("-s", "reap")
    assert ended.code == 0, ended.output
    docker = Docker.connect({"DOCKER_HOST": engine.url})
    assert docker.containers({"io.noxlib.run": ""}) == ()
    docker.close()
    assert Ledger(own_state).entries() == ()
