"""Which accelerator machines get: KVM where a probe really boots with it, else QEMU's own emulation (TCG).

A ``/dev/kvm`` that exists says nothing: in a machine that is virtual itself it may hang, or QEMU may fall over it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import qemu
from noxlib.engines.qemu import Accelerator
from noxlib.errors import EngineError, UsageError
from noxlib.ledger import Ledger, state_folder
from noxlib.owner import identity

if TYPE_CHECKING:
    from collections.abc import Callable

    from noxlib.engines.golden import Golden

PROBE_SECONDS = 6.0  #: such a boot takes less than one with KVM that works
VARIABLE = "NOXLIB_ACCELERATOR"
_DEVICE = Path("/dev/kvm")
_UP = "noxlib-probe-up"  # what the initramfs says of itself


class Found(msgspec.Struct, frozen=True):
    """An accelerator, and why."""

    accelerator: Accelerator
    reason: str
    boot: str = ""  #: of this machine; a probe holds until the next one


def choose(made: Golden, say: Callable[[str], None]) -> Found:
    """The accelerator of this machine: as ``NOXLIB_ACCELERATOR`` says, else as a probe found since the last boot.

    Raises:
        UsageError: The variable names neither ``kvm`` nor ``tcg``.
        EngineError: There is no QEMU.
    """
    asked = os.environ.get(VARIABLE, "")
    if asked:
        if asked not in ("kvm", "tcg"):
            raise UsageError(f"{VARIABLE} is {asked!r}", "set it to kvm or tcg, or unset it")
        return Found("kvm" if asked == "kvm" else "tcg", f"asked for by {VARIABLE}")
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Found("tcg", f"{_DEVICE} is not there, or not this user's")
    known = _remembered(made)
    if known is not None:
        return known
    found = probe(made)
    say(f"noxlib: virtual machines run by {found.accelerator}: {found.reason}")
    _remember(made, found)
    return found


def probe(made: Golden) -> Found:
    """Boot the golden image's kernel with KVM until its first program speaks. Raises EngineError: there is no QEMU."""
    qemu.version()
    boot = identity().boot
    with temporary.folder(prefix="noxlib-vm-") as folder:
        files = qemu.Files(folder, folder)
        words = [*_words(made), "-serial", f"file:{qemu.option(files.console)}"]
        began = time.monotonic()
        with qemu.Machine(words, files, folder.name) as machine:
            while machine.alive and time.monotonic() - began < PROBE_SECONDS:
                time.sleep(0.02)
            hangs = machine.alive
        if files.console.exists() and _UP in files.console.read_text(encoding="ascii", errors="replace"):
            return Found("kvm", f"a probe booted in {time.monotonic() - began:.1f} s", boot)
        why = f"hung for {PROBE_SECONDS:g} s" if hangs else f"failed ({qemu.last_line(files.log)})"
        return Found("tcg", f"a probe with {_DEVICE} {why}", boot)


def _words(made: Golden) -> list[str]:
    words = [qemu.PROGRAM, "-nodefaults", "-display", "none", *qemu.common(made, qemu.Shape("kvm", cpus=1, memory=256))]
    at = words.index("-append") + 1
    return [*words[:at], f"{words[at]} noxlib.probe", *words[at + 1 :]]


def _memory(made: Golden) -> Path:
    return state_folder() / "engines" / f"accelerator-{made.key}.json"


def _remembered(made: Golden) -> Found | None:
    try:
        found = atomic.from_json(_memory(made).read_bytes(), Found)
    except (OSError, ValueError):
        return None
    return found if found.boot == identity().boot else None


def _remember(made: Golden, found: Found) -> None:
    try:
        Ledger().remember(_memory(made), atomic.to_json(found))
    except OSError as error:
        raise EngineError(f"{_memory(made)} cannot be written: {error.strerror}", "make the folder writable") from error
