"""Virtual environments of the venv place: made once for each lock, interpreter and workspace, then used as they are."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from noxlib import atomic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from noxlib.places.slots import Slot

KEPT = 6  #: environments of one workspace: going back to another branch's lock costs nothing
READY = "noxlib-ready"  #: written last: an environment without it was never finished


def make(state: Path, slot: Slot, interpreter: Path, locks: Sequence[Path]) -> Path:
    """The environment of an interpreter with what the lock files name, and the slot's site folder on its path.

    The slot is ours, so that nobody else makes or uses it at this moment.

    Raises:
        BuildError: uv cannot install what the lock names.
    """
    key = _key(slot, interpreter, locks)
    folder = state / "environments" / key
    if not (folder / READY).exists():
        _build(folder, interpreter, locks, slot)
        _retire(folder.parent, key.partition("-")[0])
    (folder / READY).touch()
    return folder


def there(state: Path, slot: Slot, interpreter: Path, locks: Sequence[Path]) -> bool:
    """Whether the environment is made already."""
    return (state / "environments" / _key(slot, interpreter, locks) / READY).exists()


def _key(slot: Slot, interpreter: Path, locks: Sequence[Path]) -> str:
    content = hashlib.sha256(f"1\0{interpreter}\0{interpreter.stat().st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    for lock in locks:
        content.update(lock.read_bytes() + b"\0")
    own = hashlib.sha256(str(slot.folder).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return f"{own}-{content.hexdigest()[:32]}"


def _build(folder: Path, interpreter: Path, locks: Sequence[Path], slot: Slot) -> None:
    from noxlib.engines import uv  # noqa: PLC0415 - not on the warm path

    print(f"noxlib: making the virtual environment of {interpreter} …", flush=True)
    atomic.remove_tree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv.create_environment(folder, str(interpreter))
    for lock in locks:
        uv.install(folder, lock.parent, (lock.name,))
    _site_packages(folder).joinpath("noxlib.pth").write_text(
        f"import site; site.addsitedir({str(slot.site)!r})\n", encoding="utf-8"
    )


def _site_packages(folder: Path) -> Path:
    """``lib/python3.12/site-packages``, ``lib/pypy3.11/site-packages``, ``lib/python3.14t/site-packages``."""
    return next(folder.glob("lib/*/site-packages"))


def _retire(folder: Path, own: str) -> None:
    """Remove the environments of a slot that were not used for longest."""
    used = sorted(folder.glob(f"{own}-*"), key=_last_use, reverse=True)
    for path in used[KEPT:]:
        atomic.remove_tree(path)


def _last_use(folder: Path) -> float:
    ready = folder / READY
    return ready.stat().st_mtime if ready.exists() else float("inf")  # the one that is being made
