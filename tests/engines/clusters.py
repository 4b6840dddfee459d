"""A simulated Slurm cluster of the test run's own, and tasks for it."""

from __future__ import annotations

import functools
import hashlib
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.engines.docker import Docker
from noxlib.engines.slurm import Slurm as Engine
from noxlib.engines.slurm_cluster import Simulation
from noxlib.engines.ssh import Connection
from noxlib.errors import EngineError
from noxlib.places.scheduler import HostTask
from noxlib.places.slurm import Slurm
from noxlib.places.slurm_job import Nodes, Way
from noxlib.plan import Limits
from noxlib.testground import sif

from .conftest import wait_until
from .ssh_host import inside

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE = "python:3.10-slim"
PYTHON = "/usr/local/bin/python3"
PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/home/noxlib"}


class Cluster:
    """The cluster that is up; each connection to it is one of its own."""

    def __init__(self, simulation: Simulation, state: Path) -> None:
        self.simulation = simulation
        self.state = state  #: the state folder whose cluster it is

    @contextmanager
    def connected(self) -> Iterator[Connection]:
        with Connection(self.simulation.target(), known_hosts=self.simulation.known_hosts) as connection:
            yield connection

    def root(self, service: str, *argv: str, check: bool = True) -> str:
        """A command as root in a member."""
        done = inside(self.simulation.container(service), *argv)
        if check:
            done.check_returncode()
        return done.stdout

    def privileged(self, service: str, *argv: str) -> None:
        """The same with all that the kernel lets a root do."""
        inside(self.simulation.container(service), *argv, privileged=True).check_returncode()

    def answers(self, service: str, *argv: str) -> bool:
        """Whether a command as root in a member succeeds; a busy controller may refuse one."""
        return inside(self.simulation.container(service), *argv).returncode == 0

    def jobs(self) -> list[str]:
        """The names of the jobs that wait or run: not of those that have ended, though a node is cleared up yet."""
        said: list[str] = []

        def answered() -> bool:  # a busy controller may not
            queue = ("squeue", "-h", "-t", "pending,configuring,running,suspended", "-o", "%j")
            words = ("docker", "exec", self.simulation.container("login"), *queue)
            done = subprocess.run(words, capture_output=True, text=True, check=False)
            said[:] = done.stdout.split()
            return done.returncode == 0

        wait_until(answered, "the queue")
        return said

    def docker(self, verb: str, service: str) -> None:
        subprocess.run(("docker", verb, self.simulation.container(service)), capture_output=True, check=True)

    def way(self, connection: Connection, checkout: Path, *options: str, time: str = "5") -> Way:
        """A way to submit: the image as SIF, a folder of its own."""
        home = connection.run(("sh", "-c", "cd && pwd")).stdout.strip() + "/.noxlib"
        docker = Docker.connect()
        info = docker.image(IMAGE)
        assert info is not None
        path = sif.ensure(docker, info.id, Engine(connection), home)
        docker.close()
        run = "t" + hashlib.sha256(str(checkout).encode()).hexdigest()[:12]
        return Way(Nodes(path, PYTHON, checkout, environment=PATH), f"{home}/runs/{run}", run, time, options)

    @contextmanager
    def scheduler(self, checkout: Path, *options: str) -> Iterator[Slurm]:
        """A scheduler over a checkout; its folder on the cluster goes afterwards."""
        checkout.mkdir(exist_ok=True)
        with self.connected() as connection:
            slurm = Slurm(connection, way=self.way(connection, checkout, *options))
            try:
                yield slurm
            finally:
                for task in slurm.ids if slurm.job else ():
                    wait_until(functools.partial(_told, slurm, task), "word of a task")
                if slurm.job:
                    slurm.remove()


def _told(slurm: Slurm, task: str) -> bool:
    """Have a task end that has not; whether the cluster answered, which a busy one may not."""
    try:
        slurm.cancel(task)
    except EngineError:
        return False
    return True


def on_cluster(run_id: str) -> list[str]:
    """What a host of a run left: its folder, and jobs of hosts."""
    simulation = Simulation(Docker.connect(), Path(os.environ["NOXLIB_TESTBED_SLURM"]))
    cluster = Cluster(simulation, Path())
    script = f'ls "$(getent passwd hpc | cut -d: -f6)/.noxlib/hosts" 2>/dev/null | grep "^{run_id}-"'
    return cluster.root("login", "bash", "-c", script, check=False).split() + cluster.jobs()


def task(code: str, folder: Path, *, timeout: float = 120.0) -> HostTask:
    """A task that runs Python code and whose results and log come into a folder."""
    return HostTask(
        (PYTHON, "-c", code),
        PATH,
        limits=Limits(timeout=timeout),
        log=str(folder / "log"),
        results=(("result", str(folder / "result")),),
    )
