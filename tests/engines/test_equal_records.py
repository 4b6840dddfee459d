"""The same suite, the same digest, the same record: container, services, a machine, a virtual one, a cluster."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Callable

import msgspec
import pytest

from tests.engines.ssh_host import ALIAS

if TYPE_CHECKING:
    from noxlib.records.record import Record
    from tests.engines.clusters import Cluster
    from tests.engines.conftest import Nox
    from tests.engines.ssh_host import Machine

pytestmark = [pytest.mark.docker, pytest.mark.compose, pytest.mark.ssh, pytest.mark.vm, pytest.mark.slurm]
pytestmark += [pytest.mark.timeout(2400)]  # of an emulated machine, too

#: The cluster has a state folder of its own, and so locks anew: as of the same day.
EVERYTHING = """
pythons = ["3.10"]
exclude_newer = "2025-06-01"
unit.select = ""
compose_integration.select = ""
sanity.select = ""
vmtest.select = ""
"""
COMPOSE = """
services:
  cache:
    image: redis:7
    healthcheck: {test: [CMD, redis-cli, ping], interval: 5s, start_interval: 200ms, start_period: 30s}
  test-runner:
    image: python:3.10-slim
    depends_on: {cache: {condition: service_healthy}}
"""
#: What may differ: where and when it ran, under which names, what only one kind of place can tell, and the environment
#: profile, which unit tests have none of.
OF_THE_PLACE = {"run", "session", "suite", "started", "ended", "timings", "seeds"}
OF_THE_PLACE |= {"place", "machine", "services", "tasks", "profile"}


@pytest.fixture
def nox(adopt: Callable[..., Nox]) -> Nox:
    adopted = adopt("outcomes", EVERYTHING)
    (adopted.folder / "docker-compose.test.yml").write_text(COMPOSE)
    return adopted


def record_of(nox: Nox, *words: str, **variables: str) -> Record:
    """The record of the run of a call; the project's suite fails."""
    shutil.rmtree(nox.folder / ".pytest_cache", ignore_errors=True)  # an earlier run's: each carries its own back
    ended = nox("-s", *words, **variables)
    assert ended.code == 1, ended.output
    record = nox.record
    assert record.run in ended.output
    return record


def record_on(cluster: Cluster, nox: Nox, *shards: str) -> Record:
    """The record of a job on the cluster."""
    state = str(cluster.state)
    words = ("hpc_submit", "--", "--host", "simulation", "--python", "3.10", *shards)
    submitted = nox("-s", *words, NOXLIB_CACHE_DIR=state)
    assert submitted.code == 0, submitted.output
    return record_of(nox, "hpc_fetch", "--", "--wait", NOXLIB_CACHE_DIR=state)


def told(record: Record) -> dict[str, Any]:
    """What a record says of the tests and of what they ran in."""
    found = msgspec.to_builtins(record)
    found["interpreter"]["platform"] = found["interpreter"]["platform"].partition("-")[
        0
    ]  # a kernel's release is a place's
    found["argv"] = [word for word in found["argv"] if "timeout" not in word]
    return {name: value for name, value in found.items() if name not in OF_THE_PLACE}


def test_the_same_suite_in_every_place_leaves_the_same_record(nox: Nox, ssh_host: Machine, cluster: Cluster) -> None:
    container = record_of(nox, "unit-3.10", "--", "--place", "container")
    assert container.outcome == "failed"
    assert container.counts.failed >= 2
    records = {
        "compose": record_of(nox, "compose_integration-3.10"),
        "ssh": record_of(nox, "sanity", "--", ALIAS, "--python", "3.10", NOXLIB_SSH_CONFIG=str(ssh_host.config)),
        "vm": record_of(nox, "vmtest-3.10"),
        "vmtest": record_of(nox, "vmtest-3.10", "--", "--rung", "vmtest"),
    }
    assert {name: record.place.name if record.place else None for name, record in records.items()} == {
        name: name for name in records
    }
    for name, record in records.items():
        assert told(record) == told(container), name
    # The checkout may have moved on since a job was submitted: nothing is carried back to it.
    slurm = record_on(cluster, nox)
    assert slurm.place is not None
    assert slurm.place.name == "slurm"
    assert {**told(slurm), "written_back": ()} == {**told(container), "written_back": ()}


def test_two_shards_of_a_cluster_are_the_whole_suite(nox: Nox, cluster: Cluster) -> None:
    container = record_of(nox, "unit-3.10", "--", "--place", "container")
    sharded = record_on(cluster, nox, "--shards", "2")
    assert msgspec.structs.replace(sharded.counts, deselected=0) == container.counts
    assert {failure.id for failure in sharded.failures} == {failure.id for failure in container.failures}
    assert sharded.testground.digest == container.testground.digest
