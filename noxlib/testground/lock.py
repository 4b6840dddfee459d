"""The lock of one Python: found by the hash of its inputs, made once, never resolved again while they are unchanged."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import atomic, temporary
from noxlib.config.locks import pylock_name
from noxlib.errors import LockError
from noxlib.ledger import state_folder
from noxlib.testground.cutoff import cutoff
from noxlib.testground.locked import Contents, Lock
from noxlib.testground.lockinputs import Reader, has_own_lock, lock_key

if TYPE_CHECKING:
    from noxlib.config.project import Project

_META = "lock.json"
_KEY = re.compile(r"[0-9a-f]{64}")


def checkout_reader(root: Path) -> Reader:
    """Reads files of a checkout, each at most once; what lies outside it, or is no file, is absent."""
    known: dict[str, Optional[bytes]] = {}

    def read(name: str) -> Optional[bytes]:
        if name not in known:
            path = root / name
            known[name] = path.read_bytes() if path.is_file() else None
        return known[name]

    return read


def find_or_make(project: Project, python: str, platform: str, *, upgrade: bool = False) -> Lock:
    """The lock of one Python.

    Args:
        project: The project.
        python: As uv names it.
        platform: ``linux/amd64`` and its like for containers, ``host`` for an environment on this machine.
        upgrade: Resolve again, as of now; the project's own lock is used as it is all the same.

    Raises:
        LockError: The index cannot be reached, nothing satisfies the requirements, or the own lock is out of date.
    """
    folder, since = _place(project, python, platform)
    renew = upgrade and not has_own_lock(project, python)
    found = None if renew else _read(folder.name, folder)
    return found or _make(project, python, platform, since, folder, renew=renew)


def find(project: Project, python: str, platform: str) -> Optional[Lock]:
    """The lock of one Python, if it has been made; nothing is resolved."""
    folder, _ = _place(project, python, platform)
    return _read(folder.name, folder)


def by_key(key: str) -> Optional[Lock]:
    """The lock of a key, as images bear it, if it has been made here or taken from a registry."""
    return _read(key, state_folder() / "locks" / key) if _KEY.fullmatch(key) else None


def install(made: Path, contents: Contents, key: str) -> Lock:
    """Put a lock that was made elsewhere, its files in a folder, in the place of the one that this key has here.

    Raises:
        ValueError: That is no key.
    """
    from filelock import FileLock  # noqa: PLC0415 - not on the warm path

    if not _KEY.fullmatch(key):
        raise ValueError(key)
    folder = state_folder() / "locks" / key
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"), temporary.folder(folder.parent, ".making-") as aside:
        shutil.copytree(made, aside / "lock")
        _place_whole(aside, contents, folder)
    return Lock(key=key, folder=folder, **msgspec.structs.asdict(contents))


def of_dockerfile(project: Project) -> Lock:
    """For a project whose own Dockerfile.test installs what the tests need: nothing is resolved, nothing is locked."""
    return Lock(key="", folder=project.root, files=(), build_files=(), source=str(project.dockerfile), digest="")


def _place(project: Project, python: str, platform: str) -> tuple[Path, Optional[str]]:
    """The folder of this lock, named by its key, and as of when it is resolved."""
    read = checkout_reader(project.root)
    since = cutoff(project, read)
    key = lock_key(project, python, _platform_key(platform), since, read)
    return state_folder() / "locks" / key, since


def _platform_key(platform: str) -> str:
    """For this machine its processor and C library: what decides which wheels fit."""
    if platform != "host":
        return platform
    libc = os.confstr("CS_GNU_LIBC_VERSION") if "CS_GNU_LIBC_VERSION" in os.confstr_names else None
    return f"host {os.uname().sysname} {os.uname().machine} {libc}"


def _read(key: str, folder: Path) -> Optional[Lock]:
    try:
        known = atomic.from_json((folder / _META).read_bytes(), Contents)
    except FileNotFoundError:
        return None
    except ValueError:
        return None  # damaged: it is made anew
    complete = all((folder / name).is_file() for name in known.every)
    return Lock(key=key, folder=folder, **msgspec.structs.asdict(known)) if complete else None


def _make(project: Project, python: str, platform: str, since: Optional[str], folder: Path, *, renew: bool) -> Lock:
    from filelock import FileLock  # noqa: PLC0415 - not on the warm path

    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):
        found = None if renew else _read(folder.name, folder)
        if found:
            return found  # somebody else made it while we waited
        return _publish(
            project, python, platform, None if renew and not project.config.exclude_newer else since, folder
        )


def _publish(project: Project, python: str, platform: str, since: Optional[str], folder: Path) -> Lock:
    """Make it in a folder beside, then rename: a reader sees it whole or not at all."""
    from noxlib.testground import lockmaking  # noqa: PLC0415 - brings uv, not on the warm path
    from noxlib.testground.resolve import Target  # noqa: PLC0415

    print(f"noxlib: locking the dependencies for Python {python}", flush=True)
    target = Target(python, platform, since, derived=since is not None and not project.config.exclude_newer)
    with temporary.folder(folder.parent, ".making-") as aside:
        made = aside / "lock"
        made.mkdir()
        contents = lockmaking.make(project, target, made)
        _place_whole(aside, contents, folder)
    return Lock(key=folder.name, folder=folder, **msgspec.structs.asdict(contents))


def _place_whole(aside: Path, contents: Contents, folder: Path) -> None:
    """``aside/lock`` with its description becomes ``folder``; what was there goes with ``aside``."""
    atomic.write(aside / "lock" / _META, atomic.to_json(contents))
    if folder.exists():
        folder.rename(aside / "old")
    (aside / "lock").rename(folder)


def write_to_checkout(lock: Lock, project: Project, python: str) -> Path:
    """Write the lock beside pyproject.toml, to be committed; its path.

    Raises:
        LockError: The project keeps a lock of its own, or the checkout cannot be written.
    """
    if lock.source not in ("resolved", "pylock"):
        raise LockError(f"the project keeps a lock of its own, {lock.source}", "renew that one by its own tool")
    target = project.root / pylock_name(python)
    try:
        atomic.write(target, (lock.folder / lock.files[0]).read_bytes(), mode=0o644)
    except OSError as error:
        raise LockError(f"cannot write {target.name}: {error.strerror}", "make the checkout writable") from error
    return target
