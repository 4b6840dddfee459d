"""CPUs that a place really has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from noxlib.inside import cpus

if TYPE_CHECKING:
    from pathlib import Path


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({}, "", None),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 1.5),
        ({"a/cpu.max": "400000 100000", "a/b/cpu.max": "max 100000"}, "0::/a/b\n", 4.0),
        ({"a/cpu.max": "100000 100000", "a/b/cpu.max": "200000 100000"}, "0::/a/b\n", 1.0),
        ({"cpu.max": "50000 100000"}, "0::/docker/not-seen-from-inside\n", 0.5),
        ({"unified/a/cpu.max": "300000 100000"}, "0::/a\n", 3.0),
        (
            {"cpu,cpuacct/x/cpu.cfs_quota_us": "200000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"},
            "3:cpu,cpuacct:/x",
            2.0,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, "3:cpu:/", None),
        ({"cpu/cpu.cfs_quota_us": "100000", "cpu/cpu.cfs_period_us": "0"}, "3:cpu:/", None),
        ({"cpuset/cpu.cfs_quota_us": "100000", "cpuset/cpu.cfs_period_us": "100000"}, "3:cpuset:/", None),
    ],
)
def test_quota_is_the_smallest_of_the_own_cgroup_and_those_above(
    tmp_path: Path, files: dict[str, str], membership: str, expected: float | None
) -> None:
    assert cpus.quota(write(tmp_path, files), membership) == expected


@pytest.mark.parametrize("line", ["nonsense", "0::", "0::/../../etc", ":::", "1:cpu"])
def test_a_membership_that_makes_no_sense_is_no_limit(tmp_path: Path, line: str) -> None:
    assert cpus.quota(tmp_path, line) is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, None),
        ({"SLURM_CPUS_ON_NODE": "9"}, 9),
        ({"SLURM_CPUS_ON_NODE": "9", "SLURM_CPUS_PER_TASK": "3"}, 3),
        ({"SLURM_CPUS_ON_NODE": "many"}, None),
    ],
)
def test_slurm_grants_a_task_less_than_its_node(environment: dict[str, str], expected: int | None) -> None:
    assert cpus.slurm(environment) == expected


def test_a_place_has_at_least_one_cpu_and_no_more_than_the_affinity() -> None:
    assert 1 <= cpus.available() <= cpus.affinity()


def test_threads_are_shared_between_workers_and_what_the_user_set_stays() -> None:
    environment = {"OMP_NUM_THREADS": "7"}
    cpus.limit_threads(environment, cpus=8, workers=3)
    assert environment == {"OMP_NUM_THREADS": "7", "OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}


def test_more_workers_than_cpus_get_a_thread_each() -> None:
    environment: dict[str, str] = {}
    cpus.limit_threads(environment, cpus=2, workers=16)
    assert set(environment.values()) == {"1"}


def test_auto_workers_are_the_cpus_unless_the_user_decided() -> None:
    environment: dict[str, str] = {}
    cpus.limit_workers(environment, 3)
    cpus.limit_workers(environment, 5)
    assert environment == {"PYTEST_XDIST_AUTO_NUM_WORKERS": "3"}
