"""A suite of three shards by ``hpc_submit`` and ``hpc_fetch``, against sbatch --array and apptainer; cluster up."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING

from benchmarks import sampling
from benchmarks.figures import Result, figure
from benchmarks.projects import Project, text
from benchmarks.sampling import nox
from benchmarks.steps import PYTEST, Seen, called, compare, long_project, seen

if TYPE_CHECKING:
    from noxlib.engines.slurm_cluster import Simulation

SHARDS = 3
UP_LIMIT = 5.0
BY_HAND = f"""\
set -e
rm -rf ~/by-hand; mkdir -p ~/by-hand/code; tar -x -C ~/by-hand/code; cd ~/by-hand
cat >job.sh <<'JOB'
#!/bin/sh
srun apptainer --quiet exec --bind $HOME/by-hand/code:/workspace --pwd /workspace --env PYTHONPATH=/workspace/src \\
    SIF {PYTEST} tests/test_$SLURM_ARRAY_TASK_ID.py
JOB
id=$(sbatch --parsable --array=0-{SHARDS - 1} --output=%a.out --time=5 job.sh)
while [ -n "$(squeue -h -j $id 2>/dev/null)" ]; do sleep 0.3; done
cat ?.out
"""


def run(rounds: int) -> list[Result]:
    """Measure; the image of the cluster is built and the SIF is made before."""
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - 0.1 s, for this one alone
    from noxlib.engines.slurm_cluster import Simulation  # noqa: PLC0415

    simulation = Simulation(Docker.connect())
    with long_project(tests=SHARDS) as ours:
        sampling.ran(nox("-s", "hpc_simulation", "--", "--image"), ours.root)
        try:
            up = [_up(simulation) for _ in range(min(rounds, 3))]
            return [_cluster(up), _suite(ours, simulation, rounds)]
        finally:
            simulation.down()


def _up(simulation: Simulation) -> float:
    simulation.down()
    return simulation.up()


def _cluster(up: list[float]) -> Result:
    return Result("slurm", "the simulated cluster up, three nodes idle", UP_LIMIT, "s", figure(up), {})


def _suite(ours: Project, simulation: Simulation, rounds: int) -> Result:
    _ours(ours)
    digest = text(ours.latest("record.json"), "testground", "digest").partition(":")[2]
    target = simulation.target()
    there = shlex.quote(BY_HAND.replace("SIF", f"~/.noxlib/sif/{digest}.sif"))
    options = f"-i {target.identity} -p {target.port} -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null"
    bare = f"tar -c --exclude=.noxlib . | ssh -q {options} {target.user}@{target.host} {there}"
    return compare(
        "slurm",
        "three shards by hpc_submit and hpc_fetch, by sbatch --array with apptainer",
        lambda: _ours(ours),
        lambda: called(("sh", "-c", bare), ours.root),
        rounds,
    )


def _ours(ours: Project) -> Seen:
    began = time.time()
    submit = nox("-s", "hpc_submit", "--", "--host", "simulation", "--shards", str(SHARDS), "--", "-s")
    sampling.ran(submit, ours.root)
    sampling.ran(nox("-s", "hpc_fetch", "--", "--wait"), ours.root)
    ended = time.time()
    newest = max((ours.root / ".noxlib" / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    logs = "".join(path.read_text(encoding="utf-8", errors="replace") for path in newest.rglob("output.log"))
    return seen(began, logs)._replace(total=ended - began)
