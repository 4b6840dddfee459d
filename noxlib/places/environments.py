"""Virtual environments of the venv place: made once for each lock, interpreter and workspace, then used as they are."""

from __future__ import annotations

import contextlib
import hashlib
from typing import TYPE_CHECKING

from noxlib import atomic, locks
from noxlib.engines import strays
from noxlib.ledger import Ledger
from noxlib.places import forsaken

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from noxlib.places.slots import Slot

KIND = "environment"  #: in the ledger, while it is being made
KEPT = 6  #: environments of one workspace: going back to another branch's lock costs nothing
READY = "noxlib-ready"  #: written last: an environment without it was never finished


def make(state: Path, slot: Slot, interpreter: Path, files: Sequence[Path]) -> Path:
    """The environment of an interpreter with what the lock files name, and the slot's site folder on its path.

    The slot is ours, so that nobody else makes or uses it at this moment.

    Raises:
        BuildError: uv cannot install what the lock names.
    """
    key = _key(slot, interpreter, files)
    folder = state / "environments" / key
    if not (folder / READY).exists():
        _build(folder, interpreter, files, slot)
        _retire(folder.parent, slot)
        forsaken.sweep(state, _own)
    (folder / READY).touch()
    return folder


def there(state: Path, slot: Slot, interpreter: Path, files: Sequence[Path]) -> bool:
    """Whether the environment is made already."""
    return (state / "environments" / _key(slot, interpreter, files) / READY).exists()


def _key(slot: Slot, interpreter: Path, files: Sequence[Path]) -> str:
    content = hashlib.sha256(f"1\0{interpreter}\0{interpreter.stat().st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    for file in files:
        content.update(file.read_bytes() + b"\0")
    return f"{_own(slot.folder)}-{content.hexdigest()[:32]}"


def _own(slot: Path) -> str:
    """How the names of a slot's environments begin."""
    return hashlib.sha256(str(slot).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _build(folder: Path, interpreter: Path, files: Sequence[Path], slot: Slot) -> None:
    from noxlib.engines import uv  # noqa: PLC0415 - not on the warm path

    print(f"noxlib: making the virtual environment of {interpreter} …", flush=True)
    with _whole_or_gone(folder, slot):
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv.create_environment(folder, str(interpreter))
        for file in files:
            uv.install(folder, file.parent, (file.name,))
        _site_packages(folder).joinpath("noxlib.pth").write_text(
            f"import site; site.addsitedir({str(slot.site)!r})\n", encoding="utf-8"
        )
        (folder / READY).touch()


@contextlib.contextmanager
def _whole_or_gone(folder: Path, slot: Slot) -> Iterator[None]:
    """What fails in the middle leaves nothing; what is killed in the middle goes with the next start."""
    ledger = Ledger()
    entry = ledger.add(KIND, str(folder), details={"lock": str(slot.lock)})
    atomic.remove_tree(folder)
    try:
        yield
    except BaseException:
        atomic.remove_tree(folder)
        raise
    finally:
        ledger.strike(entry)


def remove_half_made(folder: Path, lock: Path) -> bool:
    """Remove what a dead run left, unless it was finished; whether nothing half made is there any more.

    Not while a run has the workspace: it may make it anew at this moment, or another one. Raises OSError.
    """
    from noxlib.engines import uv  # noqa: PLC0415 - not on the warm path

    with locks.if_unshared(lock) as free:
        if free and not (folder / READY).exists():
            strays.kill_marked(uv.WRITES, str(folder))  # uv goes on where noxlib alone was killed
            atomic.remove_tree(folder)
        return free or (folder / READY).exists() or not folder.exists()


def _site_packages(folder: Path) -> Path:
    """``lib/python3.12/site-packages``, ``lib/pypy3.11/site-packages``, ``lib/python3.14t/site-packages``."""
    return next(folder.glob("lib/*/site-packages"))


def _retire(folder: Path, slot: Slot) -> None:
    """Remove the environments of a slot that were not used for longest; one half removed is not taken for whole."""
    ledger = Ledger()
    used = sorted(folder.glob(f"{_own(slot.folder)}-*"), key=_last_use, reverse=True)
    for path in used[KEPT:]:
        entry = ledger.add(KIND, str(path), details={"lock": str(slot.lock)})
        (path / READY).unlink(missing_ok=True)
        atomic.remove_tree(path)
        ledger.strike(entry)


def _last_use(folder: Path) -> float:
    ready = folder / READY
    return ready.stat().st_mtime if ready.exists() else float("inf")  # the one that is being made
