"""The CA bundles of this machine on another one, for tests that fetch: as a container gets them, by the same variables.

They lie in the folder of our library, which every place that gets its files as a tar has, read-only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib.places import box

if TYPE_CHECKING:
    from collections.abc import Iterator

_FOLDER = ".ca"  # no name of a package: the folder is on the tests' sys.path


def files() -> Iterator[tuple[str, Path]]:
    """Entries for ``tars.pack``, relative to the run's folder there."""
    for source, bind in box.ca_binds(box.ca_bundles(os.environ))[0].items():
        yield f"lib/{_FOLDER}/{Path(bind.target).name}", Path(source)


def variables() -> dict[str, str]:
    """The variables that name them there: those by which they were found here."""
    named = box.ca_binds(box.ca_bundles(os.environ))[1]
    return {name: f"{box.LIB}/{_FOLDER}/{Path(target).name}" for name, target in named.items()}
