"""The place ``vmtest``: a virtual machine that the program vmtest starts for each command; all goes by a share."""

from __future__ import annotations

import contextlib
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import atomic
from noxlib.engines import qemu, savedram, vmtest
from noxlib.engines.process import GRACE
from noxlib.errors import EngineError, PlaceError
from noxlib.places import box, machines, share, supervised, tars, trust, watching
from noxlib.places.files import INSIDE, copy
from noxlib.places.guest import ROOTFS, Guest
from noxlib.places.host import Exit, Facts
from noxlib.places.limits import confess
from noxlib.places.sent import Sent
from noxlib.places.share import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

    from noxlib.engines.savedram import Saved
    from noxlib.places.host import Command
    from noxlib.places.machines import Wanted

MARGIN = 60.0  #: seconds that the guest gets beyond its own deadlines before it counts as lost


class Vmtest(Guest):
    """Host over vmtest. Each ``run`` is a machine of its own; the workspace stays for the next; leaving removes all.

    There is no terminal, and ``facts`` are complete once a command has run. Arguments as ``Guest`` has them.
    """

    name = "vmtest"

    def __init__(self, wanted: Wanted, **given: Any) -> None:
        super().__init__(
            msgspec.structs.replace(wanted, shape=msgspec.structs.replace(wanted.shape, rung="vmtest")), **given
        )
        self._sent = Sent(self._checkout, self._tree)
        self._files: Optional[qemu.Files] = None
        self._share: Optional[Share] = None  # of the last command
        self._watched: Optional[watching.Watched] = None  # its machine
        self._ram: Optional[Saved] = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            files = stack.enter_context(machines.folder(self._ledger, self._run_id, keep=self._keep))
            self._ram = machines.saved(self._wanted)
            machines.overlays(self._wanted, files, self._ram)
            self._files = files
            self._run.mkdir()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if exc_info and exc_info[0] is not None:
            with contextlib.suppress(OSError):  # what the tests have written so far
                share.take(self._run / "result", self._run_folder / "result")
        self._stack.close()

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the folder that the next command finds as ``scratch``."""
        copy(source, self._run / target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder that the last command left in ``scratch``; an absent one is no error."""
        share.take(self._run / source, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        last = self._share
        if last is None or not last.has("done"):
            return ()
        return self._sent.write_back(patterns, checkout, lambda _: last.changed(), last.names())

    def run(self, command: Command) -> Exit:
        """Run a command in the testground's file system on a machine of its own, from its boot to its end.

        Raises:
            PlaceError: A terminal is asked for, the machine ended in the middle (cause ``lost``), or this machine's
                disk is full.
            EngineError: The machine does not boot, or refuses what a testground needs.
        """
        if command.terminal:
            raise PlaceError("vmtest gives a command no terminal", "take the other rung: --rung qemu")
        confess(self.name, command.limits, kept=("network", "shm_size", "devices", "memory", "cpus"))
        try:
            return self._attempt(command, self._ram)
        except watching.NotUp as error:
            self._check_space()
            if self._ram is None:
                raise EngineError(f"the machine did not boot: {error}", "see vmtest's own documentation") from error
            machines.say(f"noxlib: the machine does not go on from saved RAM ({error}); it boots cold")
            savedram.check(self._ram)
            self._ram = self._share = None
            return self.run(command)

    @property
    def _now(self) -> qemu.Files:
        assert self._files is not None, "a host is entered before it is used"
        return self._files

    @property
    def _run(self) -> Path:
        """What the guest sees as ``scratch``, while no guest is there."""
        return self._now.sockets / "run"

    def _attempt(self, command: Command, ram: Optional[Saved]) -> Exit:
        token = secrets.token_hex(4)
        if self._share is not None and not self._share.has("synced"):
            machines.say("noxlib: the machine before did not come to its end; the workspace begins anew")
            machines.overlays(self._wanted, self._now, ram)
        made = self._share = Share(self._now.sockets / f"share-{token}")
        self._give_order(token, command)
        words = made.create(self._run, self._words(command, token))
        try:
            self._fill(made, words, ram)
            self._follow(made, command, qemu.RESUME_SECONDS if ram else qemu.BOOT_SECONDS)
        finally:
            made.take_back(self._run)
        return self._exit(made, token)

    def _give_order(self, token: str, command: Command) -> None:
        environment = {**box.environment(self._environment, 0), **trust.variables(), **command.environment}
        exit_file = f"{self.scratch}/exit-{token}.json"
        path = self._run / f"order-{token}.json"
        path.touch(mode=0o600)
        path.write_bytes(supervised.order(command, environment, exit_file, loopback=not command.limits.network))

    def _words(self, command: Command, token: str) -> tuple[str, ...]:
        """What the script in the guest is told."""
        network = "" if command.limits.network else "--net"
        shm = "" if command.limits.shm_size is None else f",size={command.limits.shm_size}"
        path = box.environment(self._environment, 0)["PATH"]
        return (network, ROOTFS, shm, self.python, path, f"{self.scratch}/order-{token}.json")

    def _fill(self, made: Share, words: str, ram: Optional[Saved]) -> None:
        now, wanted = self._now, self._wanted
        now.root.unlink()
        now.qmp.unlink(missing_ok=True)  # of the command before
        qemu.overlay(ram.root if ram else wanted.made.disk, now.root)
        (made.folder / "root.qcow2").symlink_to(now.root)
        beyond = vmtest.beyond(wanted.made, wanted.shape, now, incoming=ram.state if ram else None)
        text = vmtest.configuration(wanted.shape, command=words, wrapper=now.sockets / "qemu", extra=beyond)
        (made.folder / "vmtest.toml").write_text(text, encoding="utf-8")
        with tars.pack(self._content(), 0, 0) as tar, (made.folder / "files.tar").open("wb") as target:
            while chunk := tar.read(tars.CHUNK):
                target.write(chunk)

    def _content(self) -> Iterator[tuple[str, Path]]:
        yield from ((f"workspace/{name}", path) for name, path in self._sent.files())
        yield from tars.folder("lib/noxlib_inside", INSIDE)
        yield from trust.files()
        if self._site is not None:
            yield from tars.folder("site", self._site)

    def _follow(self, made: Share, command: Command, boot: float) -> None:
        """Start vmtest, and end it as soon as the guest has said its last word."""
        now, shape = self._now, self._wanted.shape
        began = time.monotonic()
        self._watched = watching.Watched(made, now, command)
        with self._watched as watched:
            watched.await_guest(began + boot)
            ready = round(time.monotonic() - began, 3)
            told = msgspec.structs.replace(
                made.machine(), accelerator=shape.accelerator, image=self._wanted.made.key, ready=ready
            )
            self.facts = Facts(machine=told)
            watched.pass_on(command.limits.timeout + GRACE + MARGIN)

    def _check_space(self) -> None:
        """After something went wrong in the guest. Raises PlaceError where its disks could not be written here."""
        if self._watched is not None and self._watched.lacked_space:
            raise machines.no_space(self._now)

    def _exit(self, made: Share, token: str) -> Exit:
        """How the command ended, by the supervisor's own word in the share."""
        try:
            with share.open_plain(self._run / f"exit-{token}.json") as stream:
                ended = atomic.from_json(stream.read(4096), Exit)
        except (OSError, ValueError) as error:
            self._check_space()
            said = made.text("said").strip().splitlines()[-1:] or [qemu.last_line(self._now.log)]
            if made.has("done"):
                what = f"the testground cannot be entered in the machine: {said[0]}"
                raise EngineError(what, "its kernel needs overlay and tmpfs: nox -s golden_image") from error
            what = "the virtual machine ended in the middle of the run"
            raise PlaceError(what, f"run it again; vmtest's last words: {said[0]}", cause="lost") from error
        if ended.code != 0:
            self._check_space()
        return ended
