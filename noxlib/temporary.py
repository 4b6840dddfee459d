"""Temporary folders that go even where this process is killed: the next start of any session removes them."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from noxlib import atomic
from noxlib.errors import MachineError
from noxlib.ledger import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

KIND = "folder"  #: in the ledger


@contextlib.contextmanager
def folder(parent: Optional[Path] = None, prefix: str = "noxlib-") -> Iterator[Path]:
    """An empty folder that only its owner may enter, below ``parent`` or where temporary files go.

    Raises:
        CacheError: It cannot be noted in the ledger.
        MachineError: There is no such parent, or it takes no folders, as ``/proc`` does not.
        OSError: It cannot be made.
    """
    path = Path(parent or tempfile.gettempdir()).absolute() / f"{prefix}{secrets.token_hex(8)}"
    ledger = Ledger()
    entry = ledger.add(KIND, str(path))
    try:
        _make(path)
        yield path
    finally:
        try:
            atomic.remove_tree(path)
        except OSError as error:  # files of root, for instance; the ledger keeps it for the next start
            print(f"noxlib: {path} is left for `nox -s reap`: {error.strerror}", flush=True)
        else:
            ledger.strike(entry)


def _make(path: Path) -> None:
    try:
        path.mkdir(mode=0o700)
    except FileNotFoundError as error:
        raise MachineError(f"no folder can be made in {path.parent}", "name another folder", cause="machine") from error
