"""Folders of ours on a machine that ssh reaches: made, filled, and removed, also after the run that made them died."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic
from noxlib.engines.ssh import Connection, Target
from noxlib.engines.ssh_target import own_configuration
from noxlib.errors import EngineError, NoxlibError, PlaceError
from noxlib.places.host import Machine

if TYPE_CHECKING:
    from noxlib.ledger import Entry, Ledger

BASE = "/var/lib/noxlib"  #: of root alone; holds ``testgrounds/<digest>`` and ``runs/<run>``
KIND = "remote-folder"  #: in the ledger
SILENT = "silent"  #: folder of the state folder: a file for each machine that did not answer
REAP_SECONDS = 3.0  #: for a host to answer that has something to be removed: each start of a session waits for it
AGAIN_SECONDS = 600.0  #: until a host that did not answer is asked again
FORGET_SECONDS = 7 * 24 * 3600.0  #: until a host that never answered again is taken for gone
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
    known = {
        "host": target.host,
        "user": target.user or "",
        "port": str(target.port or ""),
        "identity": target.identity or "",
        "config": str(config or ""),
        "folder": folder,
    }
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
    known = entry.details
    target = Target(known["host"], known["user"] or None, int(known["port"] or 0) or None, known["identity"] or None)
    silent = state / SILENT / hashlib.sha256(repr(target).encode()).hexdigest()[:16]
    _not_too_often(target, silent)
    config = Path(known["config"]) if known["config"] else None
    try:
        with Connection(target, config=config, seconds=REAP_SECONDS) as connection:
            remove(connection, known["folder"])
    except NoxlibError:
        silent.parent.mkdir(parents=True, exist_ok=True)
        silent.touch()
        if time.time() - entry.created <= FORGET_SECONDS:
            raise
        print(f"noxlib: {target} has not answered for a week; {entry.name} is not looked for any more", flush=True)
        return True
    silent.unlink(missing_ok=True)
    return True


def ask_again(state: Path) -> None:
    """Forget which machines did not answer: the next call asks them. Raises OSError."""
    atomic.remove_tree(state / SILENT)


def _not_too_often(target: Target, silent: Path) -> None:
    age = _age(silent)
    if age is not None and age < AGAIN_SECONDS:
        raise EngineError(f"{target} did not answer {age / 60:.0f} min ago", "start it, then: nox -s reap")


def _age(path: Path) -> Optional[float]:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None


def _ours(folder: str) -> str:
    """A last look before ``rm -rf`` on a machine of somebody's."""
    parts = folder.split("/")
    if not folder.startswith(f"{BASE}/") or ".." in parts or len(parts) <= len(BASE.split("/")) + 1 or not parts[-1]:
        raise EngineError(f"{folder!r} is no folder of noxlib's", "remove it by hand if it is yours")
    return folder


def names(connection: Connection, part: str) -> tuple[str, ...]:
    """What lies there of ours: of ``runs`` or of ``testgrounds``."""
    listed = connection.run(("ls", "-A", f"{BASE}/{part}"), check=False)
    return tuple(listed.stdout.split())
