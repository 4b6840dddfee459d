"""``vmtest`` and ``golden_image``: which rung, which machine, what is selected."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from noxlib.config.models import Config, VmtestConfig
from noxlib.engines.accelerator import Found
from noxlib.engines.qemu import Shape
from noxlib.errors import UsageError
from noxlib.sessions import placing, vm_ground, vmtest
from noxlib.sessions.arguments import Arguments


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "engine", lambda: SimpleNamespace(kind="docker"))


def words(rung: str | None = None, *rest: str) -> Arguments:
    return Arguments({"rung": rung, "env_config": None, "dry_run": False}, rest)


def test_the_rung_that_is_asked_for_comes_before_the_configured_one() -> None:
    config = Config(vmtest=VmtestConfig(rung="vmtest"))
    assert [vmtest.place(given, words(rung)).name for given in (Config(), config) for rung in (None, "qemu")] == [
        "vm",
        "vm",
        "vmtest",
        "vm",
    ]
    assert vmtest.place(config, words()).reason == "configured: rung = 'vmtest'"
    assert vmtest.place(Config(), words("vmtest")).reason == "asked for by --rung"


def test_vmtest_has_no_terminal() -> None:
    assert not vmtest.place(Config(), words("vmtest")).terminal
    assert vmtest.place(Config(), words("qemu", "--pdb")).terminal
    with pytest.raises(UsageError, match="--pdb needs a terminal"):
        vmtest.place(Config(), words("vmtest", "-x", "--pdb"))


def test_it_selects_the_tests_that_unit_leaves_out() -> None:
    assert vmtest.suite(Config(), words()).select == "vmtest"
    assert vmtest.suite(Config(vmtest=VmtestConfig(select="")), words()).select == ""


def test_the_machines_memory_is_no_limit_of_the_tests() -> None:
    config = Config(vmtest=VmtestConfig(memory="1g", cpus=3, timeout=60, network=False))
    limits = vmtest.suite(config, words()).limits
    assert (limits.memory, limits.cpus, limits.timeout, limits.network) == (None, None, 60, False)
    assert vm_ground.shape(config.vmtest, Found("kvm", "")) == Shape("kvm", cpus=3, memory=1024)


def test_a_machine_is_never_too_small_to_boot() -> None:
    assert vm_ground.shape(VmtestConfig(memory="1m", cpus=0.2), Found("tcg", "")) == Shape("tcg", cpus=1, memory=128)
    assert vm_ground.shape(VmtestConfig(), Found("tcg", "")) == Shape("tcg", cpus=2, memory=512)
