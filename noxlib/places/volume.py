"""A volume of the engine's own that a workspace lives in: what it is made of, and whose it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.places import box

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger


class Volume(msgspec.Struct, frozen=True):
    """A volume that is not there yet. The containers by which it is reached bear its labels as well."""

    docker: Docker
    image: str  #: any that the engine has, with a shell and coreutils
    ledger: Ledger  #: where all that is made is written down
    name: str
    owner: tuple[int, int]  #: user and group in the container
    labels: Mapping[str, str]
    checkout: Path  #: the code under test; it is only read
    prepared_tree: Optional[Path] = None  #: files made by the build that are laid over the checkout

    def written_down(self, kind: str) -> Entry:
        """The ledger's entry of what is about to be made under this name. Raises CacheError."""
        details = {"endpoint": str(self.docker.endpoint), "run": self.labels.get(f"{box.LABEL}run", "")}
        return self.ledger.add(kind, self.name, details=details)
