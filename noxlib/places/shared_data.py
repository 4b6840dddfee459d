"""The folder of test data that all runs on this machine share: an archive of many gigabytes is made once.

Places on other machines have none: there the data lie in the run's own folder and go with it.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path

from noxlib.cache import Cache, state_folder
from noxlib.errors import PlaceError

VARIABLE = "NOXLIB_DATA_DIR"
BUDGET = 20 << 30  #: bytes that are kept of what nobody uses
TARGET = "/opt/noxlib/data"  #: in a container


def folder() -> Path:
    """The one that NOXLIB_DATA_DIR names, else noxlib's own, which is kept within its budget. It may not be there."""
    chosen = os.environ.get(VARIABLE)
    if chosen:
        return Path(chosen).expanduser().absolute()
    found = state_folder() / "data"
    if found.is_dir():
        _sweep(found, BUDGET)
    return found


@functools.cache
def _sweep(found: Path, budget: int) -> None:
    """Once a process: places ask for the folder at each command."""
    Cache(found, budget).sweep()


def lent() -> Path:
    """The folder, for a place.

    Raises:
        PlaceError: It cannot be made.
    """
    found = folder()
    try:
        found.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        what = f"the folder of test data {found} cannot be made: {error.strerror}"
        raise PlaceError(what, f"make it writable, or set {VARIABLE} to a folder elsewhere") from error
    return found
