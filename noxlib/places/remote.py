"""Folders of ours on a machine that ssh reaches: made, filled, and removed, also after the run that made them died."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from noxlib.engines.ssh import Connection, Target
from noxlib.engines.ssh_target import own_configuration
from noxlib.errors import EngineError, PlaceError
from noxlib.places import unanswered
from noxlib.places.host import Machine

if TYPE_CHECKING:
    from noxlib.ledger import Entry, Ledger

BASE = "/var/lib/noxlib"  #: of root alone; holds ``testgrounds/<digest>`` and ``runs/<run>``
KIND = "remote-folder"  #: in the ledger
_ARCHITECTURES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}  #: as uname names them
_NEEDED = ("unshare", "chroot", "mount", "tar")
_LOOK = """id -u; uname -r; uname -m; (. /etc/os-release; echo "${PRETTY_NAME:-$NAME}") 2>/dev/null || echo
for program in "$@"; do command -v "$program" >/dev/null || printf '%s ' "$program"; done"""


class Seen(msgspec.Struct, frozen=True):
    """What a machine says of itself."""

    uid: int
    kernel: str
    architecture: str  #: as uname names it
    system: str
    missing: tuple[str, ...]  #: programs


def look(connection: Connection, programs: tuple[str, ...] = _NEEDED) -> Seen:
    """Ask a machine what it is, and which of the programs it lacks.

    Raises:
        PlaceError: The connection is lost, or the shell there adds words of its own to every answer.
        EngineError: The machine does not know how to answer.
    """
    lines = connection.run(("sh", "-c", _LOOK, "look", *programs)).stdout.splitlines()
    uid, kernel, architecture, system, missing = [*lines, "", "", "", "", ""][:5]
    if not uid.isdigit():
        raise PlaceError(
            f"the shell of {connection.target} prints {uid[:80]!r} by itself",
            "have its start files (~/.bashrc) print nothing where there is no terminal",
        )
    return Seen(int(uid), kernel, architecture, system, tuple(missing.split()))


def machine(connection: Connection, seen: Seen) -> Machine:
    """The same, for the record."""
    ready = None if connection.ready is None else round(connection.ready, 4)
    return Machine(name=str(connection.target), system=seen.system, kernel=seen.kernel, ready=ready)


def check(connection: Connection, seen: Seen, platform: str = "") -> None:
    """Raises PlaceError where no testground can be entered, or only one for another platform than ``linux/amd64``."""
    target = connection.target
    wanted = _ARCHITECTURES.get(platform, "")
    if wanted and seen.architecture != wanted:
        raise PlaceError(
            f"{target} is {seen.architecture}, and the testground is built for {platform}",
            f"name a machine that is {wanted}, or run from one like {target}",
        )
    if seen.uid != 0:
        raise PlaceError(
            f"{target} is no login of root, and only root may enter a testground there",
            f"log in as root: root@{target.host}",
        )
    if seen.missing:
        raise PlaceError(
            f"{target} lacks {', '.join(seen.missing)}",
            "install them there (Debian: util-linux, mount, coreutils, tar)",
        )


def note(ledger: Ledger, connection: Connection, folder: str) -> Entry:
    """Write down a folder that is about to be made there. Raises CacheError."""
    target = connection.target
    config = connection.config or own_configuration(os.environ)
    known = {**target.details(), "config": str(config or ""), "folder": folder}
    return ledger.add(KIND, f"{target}:{folder}", details=known)


def remove(connection: Connection, folder: str) -> None:
    """Remove a folder there; absent is fine. What still dies in it is waited for.

    Raises:
        PlaceError: The connection is lost.
        EngineError: Something cannot be removed.
    """
    connection.run(("sh", "-c", 'rm -rf -- "$1" 2>/dev/null || { sleep 1; rm -rf -- "$1"; }', "rm", _ours(folder)))


def remove_noted(entry: Entry, state: Path) -> bool:
    """Remove what a dead run noted, if the host answers; for ``noxlib.ledger.reap``.

    Raises:
        NoxlibError: The host does not answer, or refuses.
    """
    target = Target.of(entry.details)
    config = Path(entry.details["config"]) if entry.details["config"] else None

    def act() -> None:
        with Connection(target, config=config, seconds=unanswered.REAP_SECONDS) as connection:
            remove(connection, entry.details["folder"])

    return unanswered.remove(entry, state, str(target), act)


def _ours(folder: str) -> str:
    """A last look before ``rm -rf`` on a machine of somebody's."""
    parts = folder.split("/")
    if not folder.startswith(f"{BASE}/") or ".." in parts or len(parts) <= len(BASE.split("/")) + 1 or not parts[-1]:
        raise EngineError(f"{folder!r} is no folder of noxlib's", "remove it by hand if it is yours")
    return folder
