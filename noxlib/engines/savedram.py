"""Saved RAM: a machine that was booted once, warmed up and written to a file, from which runs go on in seconds."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib import temporary
from noxlib.engines import golden, qemu, vmtest
from noxlib.engines.ssh import Connection, Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from noxlib.engines.golden import Golden
    from noxlib.engines.qemu import Files, Machine, Shape

REACH_SECONDS = 60.0  #: for a guest that has greeted to let us in; 1 on an idle machine
SAVE_SECONDS = 120.0  #: for writing the memory; 1 on an idle machine
#: What the first run would wait for otherwise: the interpreter and pytest come into the page cache.
WARM_UP = ("sh", "-c", "python3 -m pytest --version; sync; echo 1 >/proc/sys/vm/compact_memory")


class Saved(msgspec.Struct, frozen=True):
    """Saved RAM, and the disk that it belongs to."""

    key: str
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def root(self) -> Path:
        return self.folder / "root.qcow2"


def find_or_make(made: Golden, shape: Shape, say: Callable[[str], None]) -> Saved:
    """Saved RAM that fits, made where it is not there yet: some 15 s, by one process while others wait.

    Raises:
        EngineError: The machine does not boot, or its memory cannot be saved.
        CacheError: The disk is full.
    """
    key = qemu.fingerprint(made, shape)

    def make(target: Path) -> None:
        say(f"noxlib: booting a machine once to save its RAM: {key}")
        _make(made, shape, target)

    return Saved(key, golden.cache().make(key, make))


def check(saved: Saved) -> None:
    """After a machine did not go on from it: look at every byte, so that a damaged one is made anew next time."""
    golden.cache().get(saved.key, verify=True)


def _make(made: Golden, shape: Shape, target: Path) -> None:
    with temporary.folder(prefix="noxlib-vm-") as sockets:
        files = qemu.Files(target, sockets)
        qemu.overlay(made.disk, files.root)
        golden.tool(("qemu-img", "create", "-q", "-f", "qcow2", str(files.ground), qemu.GROUND_SIZE))
        words = vmtest.same_machine if shape.rung == "vmtest" else qemu.argv
        with qemu.Machine(words(made, shape, files), files, target.parent.name) as machine:
            _warm_up_and_save(made, machine, files, target / "state")
        for path in (files.ground, files.log, files.console):
            path.unlink()


def _warm_up_and_save(made: Golden, machine: Machine, files: Files, state: Path) -> None:
    with machine.qmp() as connection:
        port = connection.port()
        machine.await_ssh(port, qemu.BOOT_SECONDS)
        with shell(made, port, files.sockets) as guest:
            guest.run(WARM_UP, timeout=qemu.BOOT_SECONDS)
        connection.save(f"cat > {shlex.quote(str(state))}", SAVE_SECONDS)


def shell(made: Golden, port: int, folder: Path) -> Connection:
    """A connection to a guest by the keys that were made with its image, and by nothing of the user's own."""
    known, config = folder / "known_hosts", folder / "ssh_config"
    known.write_text(f"[127.0.0.1]:{port} {made.host_key}\n", encoding="ascii")
    # The client's first choice withstands computers to come; on loopback it costs an emulated guest half a second.
    config.write_text("StrictHostKeyChecking yes\nKexAlgorithms curve25519-sha256\n", encoding="ascii")
    target = Target("127.0.0.1", "root", port, str(made.identity))
    return Connection(target, config=config, known_hosts=known, seconds=REACH_SECONDS)
