"""What only an engine can show: limits, out of memory, an engine that goes away, files that it does not see."""

from __future__ import annotations

import contextlib
import gc
import os
import secrets
import socket
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from noxlib.engines.docker import Docker
from noxlib.errors import EngineError
from noxlib.places import box, reach
from noxlib.places import leftovers as places_leftovers
from noxlib.places.container import Container
from noxlib.places.host import Command, Exit, Host
from noxlib.plan import Limits
from tests.engines.hosts import IMAGE, World, leftovers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.docker
MEGABYTE = 1024 * 1024


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, "container", f"container-{secrets.token_hex(4)}").create()


@pytest.fixture
def docker() -> Iterator[Docker]:
    engine = Docker.connect()
    yield engine
    engine.close()


def run(world: World, host: Host, code: str, limits: Limits) -> tuple[Exit, str]:
    log = world.root / f"log-{secrets.token_hex(4)}"
    ended = host.run(Command((host.python, "-c", code), log=log, echo=False, limits=limits))
    return ended, log.read_text()


EATER = "x = []\nwhile True: x.append(bytearray(4 << 20))"


def test_a_command_that_eats_memory_is_told_as_such(world: World) -> None:
    with world.host() as host:
        ended, _ = run(world, host, EATER, Limits(memory=64 * MEGABYTE, timeout=600))
    assert ended == Exit(137, "out-of-memory", oom=True)
    assert leftovers(world) == []


def test_a_child_that_eats_memory_leaves_the_commands_own_exit(world: World) -> None:
    code = f"import subprocess, sys; sys.exit(40 - subprocess.call([sys.executable, '-c', {EATER!r}]))"
    with world.host() as host:
        ended, _ = run(world, host, code, Limits(memory=64 * MEGABYTE, timeout=600))
    assert ended == Exit(49, "exit", oom=True)


def test_a_kill_that_is_not_the_kernels_is_a_signal(world: World) -> None:
    with world.host() as host:
        ended, _ = run(world, host, "import os; os.kill(os.getpid(), 9)", Limits(memory=64 * MEGABYTE))
    assert ended == Exit(137, "signal")


def test_without_network_only_the_machine_itself_is_there(world: World) -> None:
    code = "import socket; print(sorted(name for _, name in socket.if_nameindex()))"
    with world.host() as host:
        assert run(world, host, code, Limits(network=False))[1] == "['lo']\n"
        assert "eth0" in run(world, host, code, Limits())[1]


def test_cpus_and_shared_memory_are_as_configured(world: World) -> None:
    code = (
        "import os, pathlib\n"
        "one = pathlib.Path('/sys/fs/cgroup/cpu/cpu.cfs_quota_us'); two = pathlib.Path('/sys/fs/cgroup/cpu.max')\n"
        "print((one if one.exists() else two).read_text().split()[0], os.statvfs('/dev/shm').f_blocks * 4096)"
    )
    with world.host() as host:
        ended, shown = run(world, host, code, Limits(cpus=0.5, shm_size=8 * MEGABYTE))
    assert (ended, shown) == (Exit(0), f"50000 {8 * MEGABYTE}\n")


def test_a_device_is_handed_in(world: World) -> None:
    with world.host() as host:
        code = "import os; print(os.path.exists('/dev/fuse'))"
        assert run(world, host, code, Limits(devices=("/dev/fuse",)))[1] == "True\n"


def test_home_is_writable_and_programs_run_from_it(world: World) -> None:
    code = (
        "import os, pathlib, subprocess; script = pathlib.Path.home() / 'x'; "
        "script.write_text('#!/bin/sh\\necho ran\\n'); script.chmod(0o755); "
        "print(subprocess.check_output([script]), os.access('/tmp', os.W_OK))"
    )
    with world.host() as host:
        assert run(world, host, code, Limits())[1] == "b'ran\\n' True\n"


def test_what_is_bound_read_only_cannot_be_written(world: World) -> None:
    code = (
        "import errno\ntry:\n    open('/opt/noxlib/lib/noxlib_inside/evil', 'w')\n"
        "except OSError as error: print(errno.errorcode[error.errno])"
    )
    with world.host() as host:
        assert run(world, host, code, Limits())[1] == "EROFS\n"


def test_an_image_that_is_not_there_is_never_pulled(world: World, docker: Docker) -> None:
    host = Container(
        docker,
        "no-such-image:1",
        run_id="r",
        project="p",
        checkout=world.checkout,
        run_folder=world.root,
        ledger=world.ledger,
    )
    with pytest.raises(EngineError, match="the engine has no image no-such-image:1") as caught, host:
        pass
    assert "testground_build" in caught.value.todo


def test_an_image_tells_what_it_is(docker: Docker) -> None:
    found = docker.image(IMAGE)
    assert found is not None
    assert found.id.startswith("sha256:")
    assert found.environment["PYTHON_VERSION"].startswith("3.10.")
    assert IMAGE in found.tags
    assert found.size > MEGABYTE
    assert found.platform == docker.platform
    assert docker.image("no-such-image:1") is None
    assert docker.kind in ("docker", "podman")


def test_the_engine_is_tried_once_and_remembered(world: World, docker: Docker) -> None:
    labels = {"io.noxlib.run": world.run_id}
    first = reach.of(docker, IMAGE, world.ledger, labels)
    assert (first.bind, first.overlay, first.uid) == (True, True, os.getuid())
    assert reach.of(docker, "no-such-image:1", world.ledger, labels) == first  # this image could not be tried
    assert leftovers(world) == []


def test_what_bears_a_dead_owners_labels_is_removed_without_a_ledger(world: World, docker: Docker) -> None:
    live = box.labels(world.run_id, "p")
    dead = {**live, "io.noxlib.start": "1"}  # our pid, given out before to another process
    names = [f"noxlib-test-{secrets.token_hex(4)}" for _ in range(3)]
    docker.create(names[0], {"Image": IMAGE, "Labels": dead})
    docker.create(names[1], {"Image": IMAGE, "Labels": live})
    docker.create_volume(names[2], dead)
    try:
        places_leftovers.unowned(docker)  # or another process here that reaps at this very moment
        assert [docker.inspect(name) is not None for name in names[:2]] == [False, True]
        assert names[2] not in [found["Name"] for found in docker.volumes({"io.noxlib.run": world.run_id})]
    finally:
        docker.remove(names[1])
    assert leftovers(world) == []


def test_what_is_in_use_of_a_dead_run_stays_until_it_is_not(
    world: World, docker: Docker, capsys: pytest.CaptureFixture[str]
) -> None:
    live = box.labels(world.run_id, "p")
    user, network, volume = (f"noxlib-test-{secrets.token_hex(4)}" for _ in range(3))
    host = {"NetworkMode": network, "Binds": [f"{volume}:/v"]}
    try:
        # It lives until all is in use: any reap on this machine takes what is not.
        with subprocess.Popen(["sleep", "1000"]) as owner:
            born = Path(f"/proc/{owner.pid}/stat").read_text().rpartition(")")[2].split()[19]
            dying = {**live, "io.noxlib.pid": str(owner.pid), "io.noxlib.start": born}
            docker._api.create_network(network, labels=dying)
            docker.create_volume(volume, dying)
            docker.create(user, {"Image": IMAGE, "Cmd": ["sleep", "1000"], "Labels": live, "HostConfig": host})
            docker.start(user)
            owner.kill()
        places_leftovers.unowned(docker)
        said = capsys.readouterr().out
        assert f"noxlib: {network} of a run that died stays: the engine refused while removing the network" in said
        assert f"noxlib: {volume} of a run that died stays: the engine refused while removing the volume" in said
        assert len(leftovers(world)) == 3
    finally:
        docker.remove(user)
    places_leftovers.unowned(docker)
    assert leftovers(world) == []


class Relay:
    """A socket between us and the engine that can be cut: an engine that goes away in the middle."""

    def __init__(self, folder: Path, target: str) -> None:
        self.path = folder / "relay.sock"
        self._target = target
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def cut(self) -> None:
        self.path.unlink()
        self._server.shutdown(socket.SHUT_RDWR)
        self._accepting.join()  # who is let in at this very moment is among the open ones then
        for one in (self._server, *self._open):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._target)
                self._open += [near, far]
                for pair in ((near, far), (far, near)):
                    threading.Thread(target=self._copy, args=pair, daemon=True).start()

    @staticmethod
    def _copy(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the SDK leaves such a socket open
def test_an_engine_that_goes_away_is_lost_and_what_it_held_is_removed_later(
    world: World, docker: Docker, capsys: pytest.CaptureFixture[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    relay = Relay(tmp_path_factory.mktemp("s"), docker.endpoint.url.partition("://")[2])
    through = Docker.connect({"DOCKER_HOST": f"unix://{relay.path}"})
    host = Container(
        through,
        IMAGE,
        run_id=world.run_id,
        project="p",
        checkout=world.checkout,
        run_folder=world.run_folder,
        python="python",
        ledger=world.ledger,
    )
    log = world.root / "log"
    command = Command(("python", "-c", "import time; print('up', flush=True); time.sleep(600)"), log=log, echo=False)

    def cut_when_up() -> None:
        while not (log.exists() and log.read_bytes()):
            time.sleep(0.02)
        relay.cut()

    threading.Thread(target=cut_when_up, daemon=True).start()
    with pytest.raises(EngineError) as caught, host:
        host.run(command)
    assert caught.value.cause == "lost"
    assert len(str(caught.value).splitlines()) == 2
    assert "is left for `nox -s reap`" in capsys.readouterr().out
    left = world.ledger.entries()
    assert {entry.kind for entry in left} == {"container"}
    through.close()
    # the same engine by its own address: what the next start does
    for entry in left:
        assert docker.remove(entry.name)
        world.ledger.strike(entry)
    assert leftovers(world) == []
    del through, host, caught
    gc.collect()
