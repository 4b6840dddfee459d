"""What the places ``vm`` and ``vmtest`` have in common: what a machine of a run's own is given."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Optional

from noxlib.ledger import Ledger
from noxlib.places import box
from noxlib.places.host import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxlib.places.machines import Wanted

ROOTFS = "/var/lib/noxlib/root"  #: of the testground, in the guest


class Guest:
    """The beginning of a host over a virtual machine.

    Args:
        wanted: What the machine is made of.
        run_id: Name of the run.
        checkout: The code under test; it is only read.
        run_folder: The run's folder on this machine.
        environment: The image's own variables.
        prepared_site: Folder of site-packages entries made by the project's build.
        prepared_tree: Files made by the build that are laid over the checkout.
        python: The testground's interpreter in the image.
        ledger: Where what we start is written down.
        keep: Leave the machine's disks, and say where they are.
    """

    workspace = box.WORKSPACE
    inside = box.LIB
    scratch = box.RUN

    def __init__(
        self,
        wanted: Wanted,
        *,
        run_id: str,
        checkout: Path,
        run_folder: Path,
        environment: Optional[Mapping[str, str]] = None,
        prepared_site: Optional[Path] = None,
        prepared_tree: Optional[Path] = None,
        python: str = box.PYTHON,
        ledger: Optional[Ledger] = None,
        keep: bool = False,
    ) -> None:
        self.python = python
        self.facts = Facts()
        self._wanted = wanted
        self._run_id = run_id
        self._checkout = checkout
        self._run_folder = run_folder.absolute()
        self._environment = dict(environment or {})
        self._site = prepared_site
        self._tree = prepared_tree
        self._ledger = ledger or Ledger()
        self._keep = keep
        self._stack = contextlib.ExitStack()
