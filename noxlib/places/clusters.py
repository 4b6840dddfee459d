"""Clusters: how a login node is reached, and how what is left on one is removed."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from noxlib.engines.slurm import Here, Slurm
from noxlib.errors import NoxlibError
from noxlib.places import unanswered
from noxlib.places.slurm_job import name_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from noxlib.engines.slurm import Runner
    from noxlib.ledger import Entry

KIND = "hpc"  #: in the ledger
SIMULATION = "simulation"  #: for a host: the cluster of hpc_simulation
HERE = "here"  #: for a host: this machine
CONNECT_SECONDS = 10.0
FORGET_SECONDS = 30 * 24 * 3600.0  #: until one that never answered again is taken for gone


@contextmanager
def reached(host: str, seconds: float = CONNECT_SECONDS) -> Iterator[Runner]:
    """The way to run commands on the login node, connected.

    Raises:
        PlaceError: it refuses us, or is unknown.
        EngineError: nobody answers.
    """
    runner = _runner(host, seconds)
    runner.open()
    try:
        yield runner
    finally:
        runner.close()


def _runner(host: str, seconds: float) -> Runner:
    if host == HERE:
        return Here()
    from noxlib.engines.ssh import Connection, parse  # noqa: PLC0415 - a login node itself needs none

    if host != SIMULATION:
        return Connection(parse(host), seconds=seconds)
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - only the simulation has an engine
    from noxlib.engines.slurm_cluster import Simulation  # noqa: PLC0415

    simulation = Simulation(Docker.connect())
    return Connection(simulation.target(), known_hosts=simulation.known_hosts, seconds=seconds)


def remove(entry: Entry) -> None:
    """Remove what a submission left on its cluster: jobs by their name, and the folder.

    Raises:
        NoxlibError: The cluster does not answer, or refuses.
    """
    try:
        with reached(entry.details["host"], unanswered.REAP_SECONDS) as runner:
            Slurm(runner).cancel_named(name_of(entry.name))
            runner.run(("rm", "-rf", "--", entry.details["folder"]))
    except NoxlibError:
        if entry.details["host"] != SIMULATION or not _is_down():
            raise


def remove_noted(entry: Entry, state: Path) -> bool:
    """The same for a dead or forgotten submission, if the cluster answers; for ``noxlib.ledger.reap``."""
    return unanswered.remove(entry, state, entry.details["host"], lambda: remove(entry), forget=FORGET_SECONDS)


def _is_down() -> bool:
    """The simulated cluster is gone, and with it all that was there."""
    from noxlib.engines.docker import Docker  # noqa: PLC0415
    from noxlib.engines.slurm_cluster import Simulation  # noqa: PLC0415

    return not Simulation(Docker.connect()).exists()
