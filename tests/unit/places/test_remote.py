"""Limits that are not kept, and folders on machines of others."""

from __future__ import annotations

import pytest

from noxlib.engines.ssh import Connection, Target
from noxlib.errors import EngineError, PlaceError
from noxlib.places import remote
from noxlib.places.limits import confess
from noxlib.plan import Limits


def test_what_is_not_kept_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    confess("venv", Limits(memory=1, network=False))
    assert capsys.readouterr().out == "noxlib: the place venv keeps the time limit only, not memory, network = false\n"
    confess("ssh", Limits(cpus=1.0, network=False), kept=("network",))
    assert capsys.readouterr().out == "noxlib: the place ssh keeps the time limit, network only, not cpus\n"


def test_where_nothing_is_asked_nothing_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    confess("venv", Limits(timeout=1))
    confess("ssh", Limits(network=False), kept=("network",))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "folder",
    ["/", "", remote.BASE, f"{remote.BASE}/runs", f"{remote.BASE}/runs/", f"{remote.BASE}/runs/../../x", "/etc/x"],
)
def test_only_what_lies_in_our_folder_is_ever_removed(folder: str) -> None:
    with pytest.raises(EngineError, match="no folder of noxlib's"):
        remote.remove(Connection(Target("x")), folder)


def seen(uid: int = 0, architecture: str = "x86_64", missing: tuple[str, ...] = ()) -> remote.Seen:
    return remote.Seen(uid, "6.1", architecture, "Debian", missing)


@pytest.mark.parametrize(
    ("machine", "platform", "what"),
    [
        (seen(uid=1000), "", "no login of root"),
        (seen(missing=("unshare", "tar")), "", "lacks unshare, tar"),
        (seen(architecture="aarch64"), "linux/amd64", "is aarch64, and the testground is built for linux/amd64"),
    ],
)
def test_a_machine_that_cannot_take_a_testground_is_refused(machine: remote.Seen, platform: str, what: str) -> None:
    with pytest.raises(PlaceError, match=what):
        remote.check(Connection(Target("x", "root")), machine, platform)


def test_a_machine_that_can_is_taken() -> None:
    remote.check(Connection(Target("x", "root")), seen(), "linux/amd64")
    remote.check(Connection(Target("x", "root")), seen(architecture="riscv64"), "linux/riscv64")
