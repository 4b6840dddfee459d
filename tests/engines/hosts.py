"""Hosts of every kind over one small checkout, for the conformance suite and for the processes that it kills."""

from __future__ import annotations

import os
import secrets
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.docker import Docker
    from noxlib.places.host import Host

IMAGE = "python:3.10-slim"
#: Seconds that a process of ``main`` gives its command to end by itself, be the machine as busy as it may.
PATIENCE = 600


class World:
    """A checkout, a run's folder and a state folder below one temporary folder."""

    def __init__(self, root: Path, kind: str, run_id: str) -> None:
        self.root = root
        self.kind = kind
        self.slowness = 5 if kind in {"vm", "vmtest"} else 1  # a machine may be an emulated one
        self.run_id = run_id
        self.checkout = root / "check,out ö:1"
        self.run_folder = root / "run folder"
        self.state = root / "state"
        self.ledger = Ledger(self.state)

    @property
    def uid(self) -> int:
        """Whose the tests' processes are: ours, but where a login node knows us by another account."""
        return 1000 if self.kind == "apptainer" else os.getuid()

    def create(self) -> World:
        self.checkout.mkdir()
        (self.checkout / "given.txt").write_text("given")
        (self.checkout / "golden").mkdir()
        (self.checkout / "golden" / "old").write_text("old")
        return self

    @contextmanager
    def host(self, **options: Any) -> Iterator[Host]:
        """A host of this world's kind, entered."""
        own = {"run_id": self.run_id, "checkout": self.checkout, "run_folder": self.run_folder, "ledger": self.ledger}
        options = {**own, **options}
        if self.kind == "venv":
            with self._venv(**options) as host:
                yield host
            return
        from noxlib.engines.docker import Docker

        docker = Docker.connect()
        make = {
            "apptainer": self._apptainer,
            "ssh": self._ssh,
            "vm": self._machine,
            "vmtest": self._machine,
            "compose": self._services,
        }.get(self.kind, self._container)
        try:
            with make(docker, **options) as host:
                yield host
        finally:
            docker.close()

    def _container(self, docker: Docker, **options: Any) -> Any:
        from noxlib.places import reach
        from noxlib.places.container import Container

        if self.kind != "container":  # as if the engine saw none of our files, or could not mount an overlay of them
            found = reach.Reach(self.kind == "bound", overlay=False, uid=os.getuid(), gid=os.getgid())
            reach.remember(docker, self.ledger, found)
        return Container(
            docker,
            IMAGE,
            project="conformance",
            python="python",
            **options,
        )

    def _ssh(self, docker: Docker, **options: Any) -> Any:
        """``NOXLIB_SSH_CONFIG`` says where it is, to the processes that are killed as well."""
        from noxlib.engines.ssh import Connection, parse
        from noxlib.places import remote_rootfs
        from noxlib.places.ssh import SSHHost
        from noxlib.testground import rootfs
        from tests.engines.ssh_host import ALIAS

        image = docker.image(IMAGE)
        assert image is not None
        return SSHHost(
            Connection(parse(ALIAS)),
            lambda there: remote_rootfs.ensure(there, self.ledger, image.id, lambda: rootfs.chunks(docker, IMAGE)),
            environment=image.environment,
            python="python",
            **options,
        )

    def _services(self, docker: Docker, **options: Any) -> Any:
        """One service, which is ready within a second."""
        from noxlib.engines.compose import Compose
        from noxlib.places import box, stack
        from noxlib.places.companions import Companions, Wanted
        from noxlib.places.compose import Beside
        from noxlib.places.container import Container
        from noxlib.places.probe import Probe
        from noxlib.places.services import Services

        file = self.root / "stack.yml"
        if not file.exists():
            check = "{test: [CMD, redis-cli, ping], start_period: 60s, start_interval: 200ms}"
            cache = f"{{image: redis:7, healthcheck: {check}}}"
            file.write_text(f"services: {{cache: {cache}, test-runner: {{image: {IMAGE}}}}}\n")
        project = f"{self.run_id}-{secrets.token_hex(4)}"
        read = stack.read(Compose(docker, (file,), project).config(), file.name, "test-runner", None)
        labels = box.labels(self.run_id, "conformance")
        services = Services(
            docker,
            read,
            files=(file,),
            project=project,
            run_id=self.run_id,
            labels=labels,
            folder=options["run_folder"],
            ledger=self.ledger,
            probe=lambda its: Probe(
                docker, IMAGE, "python", its.stack, run_id=self.run_id, labels=labels, ledger=self.ledger
            ),
        )
        inner = Container(docker, IMAGE, project="conformance", python="python", attachment=read.attachment, **options)
        nothing = Companions(Wanted(), self.root, options["run_folder"], network=True, channel=False)
        return Beside(services, inner, nothing)

    def _machine(self, docker: Docker, **options: Any) -> Any:
        """A virtual machine, by either rung; golden image, disk and saved RAM are this machine's own."""
        from noxlib.engines import accelerator, golden, qemu
        from noxlib.places.machines import Wanted, say
        from noxlib.places.vm import VM
        from noxlib.places.vmtest import Vmtest
        from noxlib.testground import disk

        image = docker.image(IMAGE)
        assert image is not None
        made = golden.find_or_make(say)
        drive = disk.find_or_make(docker, image.id, "python", say)
        place = VM if self.kind == "vm" else Vmtest
        return place(
            Wanted(made, drive, qemu.Shape(accelerator.choose(made, say).accelerator, cpus=1)),
            environment=image.environment,
            python="python",
            **options,
        )

    def _apptainer(self, docker: Docker, **options: Any) -> Any:
        """``NOXLIB_TESTBED_SLURM`` says which cluster, to the processes that are killed as well."""
        from noxlib.engines.slurm import Slurm
        from noxlib.engines.slurm_cluster import Simulation
        from noxlib.engines.ssh import Connection
        from noxlib.places.apptainer import Apptainer
        from noxlib.testground import sif

        simulation = Simulation(docker, Path(os.environ["NOXLIB_TESTBED_SLURM"]))
        image = docker.image(IMAGE)
        assert image is not None
        folder = "$HOME/.noxlib"
        return Apptainer(
            Connection(simulation.target(), known_hosts=simulation.known_hosts),
            lambda there: sif.ensure(
                docker, image.id, Slurm(there), there.run(("sh", "-c", f"echo {folder}")).stdout.strip()
            ),
            known_hosts=simulation.known_hosts,
            environment=image.environment,
            python="python",
            **options,
        )

    def _venv(self, **options: Any) -> Any:
        from noxlib.places import environments, slots
        from noxlib.places.venv import Venv

        slot = slots.take(self.state, self.checkout, "3.10")
        interpreter = Path(getattr(sys, "_base_executable", sys.executable))
        return Venv(
            slot,
            environments.make(self.state, slot, interpreter, ()),
            **options,
        )


def leftovers(world: World) -> list[str]:
    """All that a run left: containers, volumes, scratch folders, marked processes, ledger entries."""
    from tests.engines.conftest import settled

    found = [entry.name for entry in world.ledger.entries()]
    found += [str(path) for name in ("scratch", "vms") for path in (world.state / name).glob("*")]
    found += settled(lambda: _processes(world.run_id))
    if world.kind == "apptainer":
        from tests.engines.clusters import on_cluster

        found += on_cluster(world.run_id)
    if world.kind == "ssh":
        from tests.engines.ssh_host import on_machine

        found += on_machine(world.run_id)
    if world.kind != "venv":
        from noxlib.engines.docker import Docker

        docker = Docker.connect()
        found += [item["Id"] for item in docker.containers({"io.noxlib.run": world.run_id})]
        found += [item["Name"] for item in docker.volumes({"io.noxlib.run": world.run_id})]
        found += [item["Name"] for item in docker.networks({"io.noxlib.run": world.run_id})]
        docker.close()
    return found


def _processes(run_id: str) -> list[str]:
    return [path.name for path in Path("/proc").glob("[0-9]*") if _is_of(path, run_id)]


def _is_of(process: Path, run_id: str) -> bool:
    try:
        variables = (process / "environ").read_bytes()
        return any(f"{name}={run_id}-".encode() in variables for name in ("NOXLIB_RUN", "NOXLIB_VM"))
    except OSError:
        return False


def main() -> None:
    """``python hosts.py ROOT KIND RUN_ID CODE…``: run Python code in a host, told to stop as a session is told."""
    import signal

    from noxlib.engines import process
    from noxlib.errors import Cancelled
    from noxlib.places import following, supervised, watching
    from noxlib.places.host import Command

    for module in (process, following, supervised, watching):
        vars(module)["STOP_SECONDS"] = PATIENCE

    def cancel(*_: object) -> None:
        raise Cancelled("cancelled", "run it again")

    signal.signal(signal.SIGTERM, cancel)
    root, kind, run_id, code = sys.argv[1:]
    world = World(Path(root), kind, run_id)
    with world.host() as host:
        terminal = sys.stdin.isatty()
        log = None if terminal else world.root / "log"
        ended = host.run(Command((host.python, "-c", code), log=log, echo=False, terminal=terminal))
    # not ru_maxrss, which a child inherits from the process that started it
    peak = Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]
    print(ended.code, peak)


if __name__ == "__main__":
    main()
