"""Words for QEMU and vmtest, the protocol, the probe: all that is true without a machine."""

from __future__ import annotations

import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.engines import accelerator, golden, qemu, qmp, vmtest
from noxlib.engines.qmp import Qmp
from noxlib.errors import EngineError, UsageError
from noxlib.owner import identity

MADE = golden.Golden("golden-1", Path("/cache/golden, 1"))
FILES = qemu.Files(Path("/runs/a,b"), Path("/tmp/short"))
if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

ACCELERATORS: tuple[qemu.Accelerator, ...] = ("kvm", "tcg")
PATHS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=30)


def values(words: list[str], name: str) -> list[str]:
    return [following for word, following in zip(words, words[1:]) if word == name]


def test_a_machine_is_reached_by_the_loopback_only_and_its_port_is_a_free_one() -> None:
    words = qemu.argv(MADE, qemu.Shape("tcg"), FILES)
    assert values(words, "-netdev") == ["user,id=n0,hostfwd=tcp:127.0.0.1:0-:22"]
    assert "-nodefaults" in words
    assert values(words, "-append")[0].startswith("console=ttyS0 ")


def test_a_comma_in_a_path_ends_no_value() -> None:
    words = qemu.argv(MADE, qemu.Shape("tcg"), FILES)
    assert values(words, "-drive")[0].startswith("file=/runs/a,,b/root.qcow2,format=qcow2,")
    assert values(words, "-serial") == ["file:/runs/a,,b/console.log"]


@given(PATHS)
def test_a_path_is_read_back_as_qemu_reads_it(text: str) -> None:
    read = qemu.option(Path(text)).replace(",,", "\0").split(",")
    assert [part.replace("\0", ",") for part in read] == [str(Path(text))]


@given(PATHS)
def test_the_shell_that_loads_saved_ram_sees_one_path(text: str) -> None:
    assert shlex.split(qemu.incoming_from(Path(text)).removeprefix("exec:")) == ["cat", str(Path(text))]


def test_kvm_gives_the_guest_this_machines_cpu_and_emulation_one_of_today() -> None:
    fast, slow = (qemu.common(MADE, qemu.Shape(name)) for name in ACCELERATORS)
    assert (values(fast, "-accel"), values(fast, "-cpu")) == (["kvm"], ["host"])
    assert values(slow, "-cpu") == ["Nehalem"]


@pytest.mark.parametrize(
    "other",
    [
        qemu.Shape("kvm"),
        qemu.Shape("tcg", cpus=1),
        qemu.Shape("tcg", memory=1024),
        qemu.Shape("tcg", rung="vmtest"),
    ],
)
def test_saved_ram_fits_the_very_same_machine_only(
    other: qemu.Shape, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(qemu, "version", lambda: "QEMU 7.2")
    made = golden.Golden("golden-1", tmp_path)
    (tmp_path / "host_key").write_text("ssh-ed25519 AAAA\n")
    mine = qemu.fingerprint(made, qemu.Shape("tcg"))
    assert mine == qemu.fingerprint(made, qemu.Shape("tcg"))
    assert mine != qemu.fingerprint(made, other)
    assert mine != qemu.fingerprint(msgspec.structs.replace(made, key="golden-2"), qemu.Shape("tcg"))
    (tmp_path / "host_key").write_text("ssh-ed25519 BBBB\n")  # evicted and made again: another disk by the same key
    again = qemu.fingerprint(made, qemu.Shape("tcg"))
    assert again != mine
    monkeypatch.setattr(qemu, "version", lambda: "QEMU 7.3")
    assert again != qemu.fingerprint(made, qemu.Shape("tcg"))


def test_the_golden_images_key_is_that_of_what_it_is_made_from(monkeypatch: pytest.MonkeyPatch) -> None:
    before = golden.key()
    assert before == golden.key()
    monkeypatch.setattr(golden, "PACKAGES", (*golden.PACKAGES, "git"))
    assert golden.key() != before
    monkeypatch.undo()
    monkeypatch.setattr(golden, "template", lambda name: f"another {name}")
    assert golden.key() != before


def test_the_last_line_that_says_anything(tmp_path: Path) -> None:
    log = tmp_path / "log"
    assert qemu.last_line(log) == ""
    log.write_bytes(b"first\n\xff last \n\n \n")
    assert qemu.last_line(log) == "\ufffd last"


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_vmtest_reads_any_command_as_it_is(command: str) -> None:
    words = ["-append", 'a "quoted" \\ word', command]
    text = vmtest.configuration(qemu.Shape("tcg"), command=command, wrapper=Path("/tmp/q e/qemu"), extra=words)
    (target,) = tomllib.loads(text)["target"]
    assert (target["command"], target["vm"]["extra_args"]) == (command, words)
    assert (target["qemu_command"], target["vm"]["memory"]) == ("/tmp/q e/qemu", "512M")


def test_saved_ram_for_vmtest_has_its_devices_in_its_order() -> None:
    words = vmtest.same_machine(MADE, qemu.Shape("tcg", rung="vmtest"), FILES)
    devices = [value.split(",")[0] for value in values(words, "-device")]
    assert devices[:5] == ["virtio-serial", "virtserialport", "virtio-serial", "virtserialport", "virtio-blk-pci"]
    assert words[words.index("-virtfs") + 1].endswith("mount_tag=vmtest-shared,security_model=none,multidevs=remap")


def test_the_sockets_that_vmtest_leaves_are_removed_and_no_other(tmp_path: Path) -> None:
    mine = [Path(f"/tmp/{name}-999{os.getpid()}.sock") for name in ("qmp", "qga", "cmdout")]
    other = Path(f"/tmp/other-999{os.getpid()}.sock")
    for path in (*mine, other):
        path.touch()
    words = [f"unix:{mine[0]},server=on,wait=off", *(f"socket,path={path},server=on" for path in mine[1:])]
    (tmp_path / "words").write_text("\n".join((*words, f"socket,path={other},x", "unix:/etc/passwd,x")))
    vmtest.remove_sockets(tmp_path)
    vmtest.remove_sockets(tmp_path / "absent")
    assert [path.exists() for path in (*mine, other)] == [False, False, False, True]
    other.unlink()


class Peer:
    """Speaks QMP from a script: to each command the next lines."""

    def __init__(self, path: Path, *answers: list[dict[str, Any]]) -> None:
        self.heard: list[dict[str, Any]] = []
        self._answers: list[list[dict[str, Any]]] = [[{"return": {}}], *answers]
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        connection, _ = self._server.accept()
        with connection, connection.makefile("rwb") as lines:
            lines.write(b'{"QMP": {}}\n')
            lines.flush()
            for answer in self._answers:
                self.heard.append(json.loads(lines.readline()))
                for line in answer:
                    lines.write(json.dumps(line).encode() + b"\n")
                lines.flush()
        self._server.close()


@pytest.fixture
def path(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    from noxlib import temporary

    monkeypatch.setattr(qmp, "_ANSWER", 600.0)  # for a machine that is busy
    with temporary.folder() as folder:
        yield folder / "qmp"


def test_an_event_before_an_answer_is_no_answer(path: Path) -> None:
    peer = Peer(path, [{"event": "RESUME"}, {"return": {"status": "running"}}])
    with Qmp(path, time.monotonic() + 600) as connection:
        connection.await_running(600)
    assert [heard["execute"] for heard in peer.heard] == ["qmp_capabilities", "query-status"]


def test_the_forwarded_port_is_read_from_qemus_table(path: Path) -> None:
    table = (
        "Hub -1 (n0):\r\n  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ\r\n"
        "  TCP[HOST_FORWARD]  13       127.0.0.1 44207       10.0.2.15    22     0     0\r\n"
    )
    Peer(path, [{"return": table}])
    with Qmp(path, time.monotonic() + 600) as connection:
        assert connection.port() == 44207


def test_a_refusal_and_an_end_are_two_lines(path: Path) -> None:
    Peer(path, [{"error": {"class": "GenericError", "desc": "no such thing"}}])
    with Qmp(path, time.monotonic() + 600) as connection:
        with pytest.raises(EngineError, match="refuses stop: no such thing"):
            connection.execute("stop")
        with pytest.raises(EngineError, match="does not answer") as caught:
            connection.execute("cont")
    assert caught.value.cause == "lost"


FULL = {
    "event": "BLOCK_IO_ERROR",
    "data": {"operation": "write", "action": "report", "reason": "No space left on device"},
}
WORN = {"event": "BLOCK_IO_ERROR", "data": {"operation": "write", "action": "report", "reason": "Input/output error"}}


@pytest.mark.parametrize(("told", "lacked"), [([FULL, WORN], True), ([WORN], False), ([], False)])
@pytest.mark.parametrize("alive", [True, False])
def test_only_what_was_refused_for_want_of_space_is_a_full_disk(
    path: Path, told: list[dict[str, Any]], lacked: bool, alive: bool
) -> None:
    Peer(path, [*told, {"return": {}}] if alive else told)
    with Qmp(path, time.monotonic() + 600) as connection:
        assert connection.lacked_space() == lacked


def test_a_machine_that_is_not_there_does_not_answer(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="does not answer"):
        Qmp(tmp_path / "none", time.monotonic())


def test_the_accelerator_asked_for_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(accelerator.VARIABLE, "tcg")
    found = accelerator.choose(MADE, print)
    assert (found.accelerator, found.reason) == ("tcg", "asked for by NOXLIB_ACCELERATOR")
    monkeypatch.setenv(accelerator.VARIABLE, "fast")
    with pytest.raises(UsageError, match="'fast'"):
        accelerator.choose(MADE, print)


def test_without_the_device_nothing_is_probed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(accelerator.VARIABLE, raising=False)
    monkeypatch.setattr(accelerator, "_DEVICE", tmp_path / "kvm")
    assert accelerator.choose(MADE, print).accelerator == "tcg"


def test_a_probe_holds_until_the_next_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(accelerator.VARIABLE, raising=False)
    monkeypatch.setenv("NOXLIB_CACHE_DIR", str(tmp_path))
    device = tmp_path / "kvm"
    device.touch()
    monkeypatch.setattr(accelerator, "_DEVICE", device)
    boot = identity().boot
    probes = []

    def probe(_: golden.Golden) -> accelerator.Found:
        probes.append(1)
        return accelerator.Found("tcg", "it hung", boot if len(probes) == 1 else "another")

    monkeypatch.setattr(accelerator, "probe", probe)
    said: list[str] = []
    assert [accelerator.choose(MADE, said.append).reason for _ in range(2)] == ["it hung"] * 2
    assert (len(probes), len(said)) == (1, 1)
    for file in (tmp_path / "engines").iterdir():
        file.write_bytes(file.read_bytes().replace(boot.encode(), b"earlier"))
    accelerator.choose(MADE, said.append)
    assert len(probes) == 2
