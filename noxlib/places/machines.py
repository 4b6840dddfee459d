"""Virtual machines of a run: their folder of overlays from its first day to its last, and how one is started."""

from __future__ import annotations

import contextlib
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import qemu, savedram, strays, vmtest
from noxlib.errors import EngineError, PlaceError
from noxlib.ledger import Ledger
from noxlib.places import box

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.golden import Golden
    from noxlib.engines.qemu import Files, Machine, Shape
    from noxlib.engines.qmp import Qmp
    from noxlib.engines.savedram import Saved
    from noxlib.ledger import Entry

KIND = "vm"  #: in the ledger; an entry's name is the folder of the machine's overlays


class Wanted(msgspec.Struct, frozen=True):
    """What a machine is made of. The same for both rungs."""

    made: Golden
    disk: Path  #: the testground's
    shape: Shape
    saved_ram: bool = True  #: go on from saved RAM, or save it first


def say(text: str) -> None:
    """A plain line to the user, at once."""
    print(text, flush=True)


@contextlib.contextmanager
def folder(ledger: Ledger, run_id: str, *, keep: bool = False) -> Iterator[Files]:
    """The files of one machine, written to the ledger before they exist; nothing is left of them after the block.

    With ``keep`` the folder is, and is the user's from then on.

    Raises:
        CacheError: The ledger cannot be written.
    """
    name = f"{box.safe(run_id)}-{secrets.token_hex(3)}"
    path = ledger.folder.parent / "vms" / name
    entry = ledger.add(KIND, str(path))
    try:
        path.mkdir(parents=True, mode=0o700)
        with temporary.folder(prefix="noxlib-vm-") as sockets:
            yield qemu.Files(path, sockets)
    finally:
        if keep:
            say(f"noxlib: kept, and yours to remove: {path}; the workspace lies in ground.qcow2, below /runs")
        else:
            remove(entry)
        ledger.strike(entry)


def remove(entry: Entry) -> bool:
    """End what still runs of a machine, and remove its overlays; for ``noxlib.ledger.reap`` too. Raises OSError."""
    strays.kill_marked(qemu.MARK, Path(entry.name).name)
    vmtest.remove_sockets(Path(entry.name))
    atomic.remove_tree(Path(entry.name))
    return True


def saved(wanted: Wanted) -> Optional[Saved]:
    """Saved RAM for a machine, saved now where there is none yet; None where it is not wanted or cannot be had."""
    if not wanted.saved_ram:
        return None
    try:
        return savedram.find_or_make(wanted.made, wanted.shape, say)
    except EngineError as error:
        say(f"noxlib: no RAM is saved: {error.what} ({error.todo}); the machine boots cold")
        return None


def overlays(wanted: Wanted, files: Files, ram: Optional[Saved]) -> None:
    """Make a machine's disks. Raises EngineError."""
    for path in (files.root, files.ground):
        path.unlink(missing_ok=True)
    qemu.overlay(ram.root if ram else wanted.made.disk, files.root)
    qemu.overlay(wanted.disk, files.ground)


@contextlib.contextmanager
def running(wanted: Wanted, files: Files) -> Iterator[tuple[Machine, Qmp, float]]:
    """A machine that answers by SSH, the connection to QEMU itself, and the seconds it took.

    It goes on from saved RAM; where that fails it says so, and boots cold.

    Raises:
        EngineError: It does not boot.
    """
    ram = saved(wanted)
    with contextlib.ExitStack() as stack:
        began = time.monotonic()
        try:
            machine, monitor = _started(stack, wanted, files, ram)
        except EngineError as error:
            if ram is None:
                raise
            say(f"noxlib: the machine does not go on from saved RAM: {error.what} ({error.todo}); it boots cold")
            savedram.check(ram)
            machine, monitor = _started(stack, wanted, files, None)
        yield machine, monitor, round(time.monotonic() - began, 3)


def _started(stack: contextlib.ExitStack, wanted: Wanted, files: Files, ram: Optional[Saved]) -> tuple[Machine, Qmp]:
    overlays(wanted, files, ram)
    words = qemu.argv(wanted.made, wanted.shape, files, incoming=ram.state if ram else None)
    with contextlib.ExitStack() as attempt:
        machine = attempt.enter_context(qemu.Machine(words, files, files.folder.name))
        seconds = qemu.RESUME_SECONDS if ram else qemu.BOOT_SECONDS
        monitor = attempt.enter_context(machine.qmp())
        monitor.await_running(seconds)
        machine.await_ssh(monitor.port(), seconds)
        stack.push(attempt.pop_all())
    return machine, monitor


def no_space(files: Files) -> PlaceError:
    """What to say where QEMU could not write a guest's disk."""
    return PlaceError(
        f"the disk with {files.folder.parent} is full, and so is the guest's",
        "free space there, or set NOXLIB_CACHE_DIR to a folder on another disk",
        cause="disk-full",
    )
