"""What the benchmarks of virtual machines share: what a machine is made of, by noxlib's own images and saved RAM."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from benchmarks.projects import Project, text
from benchmarks.sampling import Failed
from benchmarks.steps import CHROOT

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxlib.engines.golden import Golden
    from noxlib.engines.qemu import Files, Shape
    from noxlib.engines.savedram import Saved

#: By hand in a guest: its second disk holds the testground below ``root``.
GUEST = f"""\
set -e
date -u -s @$NOW >/dev/null; blockdev --flushbufs /dev/vdb
mkdir -p /mnt/ground; mount -t ext4 /dev/vdb /mnt/ground; R=/mnt/ground/root
{CHROOT}"""


class Parts(msgspec.Struct, frozen=True):
    """What a machine by hand starts from."""

    made: Any  #: Golden
    disk: Path
    shape: Any  #: Shape
    ram: Any  #: Saved

    @classmethod
    def of(cls, ours: Project, rung: str) -> Parts:
        """Those of a run that has been; all is cached."""
        from noxlib.engines import accelerator, golden, savedram  # noqa: PLC0415 - for these two alone
        from noxlib.engines.docker import Docker  # noqa: PLC0415
        from noxlib.engines.qemu import Shape as _Shape  # noqa: PLC0415
        from noxlib.testground import disk  # noqa: PLC0415

        made: Golden = golden.find_or_make(print)
        shape: Shape = _Shape(
            accelerator.choose(made, print).accelerator, rung="vmtest" if rung == "vmtest" else "qemu"
        )
        image = text(ours.latest("record.json"), "testground", "digest")
        docker = Docker.connect()
        drive = disk.find_or_make(docker, image, "/opt/testground/bin/python", print)
        docker.close()
        ram: Saved = savedram.find_or_make(made, shape, print)
        return cls(made, drive, shape, ram)

    def overlays(self, files: Files) -> None:
        """The two disks of one machine."""
        for base, path in ((self.ram.root, files.root), (self.disk, files.ground)):
            argv = ("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(base), "-F", "qcow2", str(path))
            subprocess.run(argv, check=True)


def free_port() -> int:
    """A port of the loopback that nobody has at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextlib.contextmanager
def started(words: Sequence[str], folder: Path) -> Any:
    """A program in a process group of its own, killed at the end, or when this process is killed."""
    words = ("setpriv", "--pdeathsig", "KILL", "--", *words)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def await_ssh(port: int, host: str = "127.0.0.1", seconds: float = 60.0) -> None:
    """Wait for an SSH server's greeting. Raises Failed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=5) as found:
            if found.recv(4) == b"SSH-":
                return
        time.sleep(0.02)
    raise Failed(f"no SSH server greeted within {seconds:g} s")
