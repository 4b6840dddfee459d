"""The place ``vm``: a virtual machine of the run's own, with the testground as its second disk, entered by SSH."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import savedram
from noxlib.errors import NoxlibError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import machines
from noxlib.places.guest import ROOTFS, Guest
from noxlib.places.host import Facts, Machine
from noxlib.places.ssh import SSHHost

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines import qemu
    from noxlib.engines.qmp import Qmp
    from noxlib.engines.ssh import Connection
    from noxlib.places.host import Command, Exit

_DYING = 30.0  # seconds that a machine which is lost is given to be seen as ended, however busy this one is
_BRIEFLY = 2.0  # the same after another error, where it seldom has
#: A machine that went on from saved RAM knows neither the time nor the disk that was put in since.
PREPARE = """date -u -s "@$1" >/dev/null && blockdev --flushbufs /dev/vdb && mkdir -p /var/lib/noxlib &&
mount -t ext4 -o noatime /dev/vdb /var/lib/noxlib"""


class VM(Guest):
    """Host over a machine. Entering starts it; leaving kills it, and all that was written in it is gone.

    Tests run in it as root, whoever starts the session: that is what the place is for. Arguments as ``Guest`` has them.
    """

    name = "vm"
    _now: Optional[_Running] = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            files = stack.enter_context(machines.folder(self._ledger, self._run_id, keep=self._keep))
            machine, monitor, ready = stack.enter_context(machines.running(self._wanted, files))
            connection = stack.enter_context(savedram.shell(self._wanted.made, monitor.port(), files.sockets))
            connection.run(("sh", "-c", PREPARE, "prepare", str(int(time.time()))))
            host = stack.enter_context(self._host(connection, files))
            self._now = _Running(machine, monitor, files, host)
            self.facts = self._told(host, ready)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.__exit__(*(exc_info or (None, None, None)))  # type: ignore[arg-type]
        self._now = None

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder there."""
        self._host_now.put(source, target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        self._host_now.get(source, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._host_now.write_back(patterns, checkout)

    def run(self, command: Command) -> Exit:
        """Run a command in the testground's file system on the machine.

        Raises:
            PlaceError: The machine ended in the middle, cause ``lost``; or this machine's disk is full.
        """
        # Memory and CPUs are the machine's own.
        limits = msgspec.structs.replace(command.limits, memory=None, cpus=None)
        try:
            ended = self._host_now.run(msgspec.structs.replace(command, limits=limits))
        except NoxlibError as error:
            if error.outcome == "error":
                self._explain(error)
            raise
        if ended.code != 0 and self._now is not None:
            self._now.check_space()
        return ended

    @property
    def _host_now(self) -> SSHHost:
        assert self._now is not None, "a host is entered before it is used"
        return self._now.host

    def _host(self, connection: Connection, files: qemu.Files) -> SSHHost:
        return _InMachine(
            connection,
            lambda _: ROOTFS,
            run_id=self._run_id,
            checkout=self._checkout,
            run_folder=self._run_folder,
            environment=self._environment,
            prepared_site=self._site,
            prepared_tree=self._tree,
            python=self.python,
            ledger=Ledger(files.folder),  # what lies in the machine goes with it, and so does what is noted of it
            name=self.name,
        )

    def _told(self, host: SSHHost, ready: float) -> Facts:
        known = host.facts.machine or Machine()
        accelerator = self._wanted.shape.accelerator
        return Facts(
            machine=msgspec.structs.replace(
                known, name="qemu", accelerator=accelerator, image=self._wanted.made.key, ready=ready
            )
        )

    def _explain(self, error: NoxlibError) -> None:
        now = self._now
        assert now is not None
        now.check_space()
        deadline = time.monotonic() + (_DYING if error.cause == "lost" else _BRIEFLY)
        while now.machine.alive and time.monotonic() < deadline:  # its sockets close before its process has ended
            time.sleep(0.05)
        if not now.machine.alive:
            what = "the virtual machine ended in the middle of the run"
            raise PlaceError(what, f"run it again; {now.machine.last_words()}", cause="lost") from error


class _InMachine(SSHHost):
    """What lies in the machine goes with it: nothing has to be removed there."""

    def _enter(self, command: Command, order: str) -> tuple[str, ...]:
        """By busybox, which mounts without starting a program each time: a second less where all is emulated."""
        words = super()._enter(command, order)
        at = words.index("sh")
        return (*words[:at], "busybox", *words[at:])

    def _remove(self) -> None:
        return


class _Running:
    """What is known once the host has been entered."""

    def __init__(self, machine: qemu.Machine, monitor: Qmp, files: qemu.Files, host: SSHHost) -> None:
        self.machine = machine
        self.host = host
        self._monitor = monitor
        self._files = files

    def check_space(self) -> None:
        """After something went wrong in the guest. Raises PlaceError where its disks could not be written here."""
        if self._monitor.lacked_space():
            raise machines.no_space(self._files)
