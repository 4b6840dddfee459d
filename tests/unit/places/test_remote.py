"""Limits that are not kept, and folders on machines of others."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest

from noxlib.engines import qemu
from noxlib.engines.golden import Golden
from noxlib.engines.process import Completed
from noxlib.engines.slurm import Here
from noxlib.engines.ssh import Connection, Target
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import remote, remote_rootfs
from noxlib.places.host import Exit
from noxlib.places.limits import confess
from noxlib.places.machines import Wanted
from noxlib.places.share import Share
from noxlib.places.ssh import SSHHost
from noxlib.places.vmtest import Vmtest
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


class Answering(Connection):
    """A machine whose files all hold the same."""

    def __init__(self, text: str) -> None:
        super().__init__(Target("host"))
        self.text = text

    def run(self, *_: Any, **__: Any) -> Completed:
        return Completed(0, self.text, "")


HOSTILE = ["", "[]", "7", "{}", '{"code": []}', '{"code": 0, "cause": []}', '{"code": 0, "cause": "x"}', "[" * 4000]


@pytest.mark.parametrize("text", HOSTILE)
def test_an_exit_that_is_none_is_no_exit(text: str, tmp_path: Path) -> None:
    known: dict[str, Any] = {"run_id": "r", "checkout": tmp_path, "run_folder": tmp_path, "ledger": Ledger(tmp_path)}
    with pytest.raises(EngineError, match="cannot be entered on host: why"):
        SSHHost(Answering(text), lambda _: "", **known)._exit("t", 0, "first\nwhy\n")
    guest = Vmtest(Wanted(Golden("k", tmp_path), tmp_path / "disk", qemu.Shape("tcg")), **known)
    guest._files = qemu.Files(tmp_path, tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "exit-t.json").write_text(text)
    with pytest.raises(PlaceError, match="ended in the middle"):
        guest._exit(Share(tmp_path / "share"), "t")


def test_an_exit_is_the_supervisors_own_word(tmp_path: Path) -> None:
    host = SSHHost(
        Answering('{"oom": false, "code": 137, "cause": "signal"}'),
        lambda _: "",
        run_id="r",
        checkout=tmp_path,
        run_folder=tmp_path,
        ledger=Ledger(tmp_path),
    )
    assert host._exit("t", 255, "") == Exit(137, "signal")


def test_a_testground_that_no_run_entered_for_long_goes(tmp_path: Path) -> None:
    for name, days in (("0old", 15), ("1young", 13), ("2taken", 15), (".half-made", 15), (".old-3", 0)):
        (tmp_path / name / "usr").mkdir(parents=True)
        when = time.time() - days * 24 * 3600
        os.utime(tmp_path / name, (when, when))
    here = Here()
    here.run(("sh", "-c", remote_rootfs._TAKE, "take", f"{tmp_path}/2taken"))
    here.run(("sh", "-c", remote_rootfs._FORGET, "forget", str(tmp_path)))
    assert sorted(path.name for path in tmp_path.iterdir()) == [".half-made", "1young", "2taken"]
