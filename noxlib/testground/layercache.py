"""Which layer cache a testground's build takes and leaves: the registry's ``buildcache-py3.10``. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from noxlib.engines.layers import Layers
from noxlib.testground import names

if TYPE_CHECKING:
    from noxlib.config.event import Event

NAME = "buildcache"  #: what such a tag begins with; retention keeps it by a rule of its own


def of(image: str, python: str, platform: str, event: Event) -> Optional[Layers]:
    """The layers for a build in CI; None outside it, where a published testground is pulled instead.

    All events read it, and a push to the default branch alone writes it: what a pull request would leave there, or a
    branch that nobody has looked at, would be taken by every build after it.
    """
    if event.kind == "none":
        return None
    architecture = platform.rpartition("/")[2]
    suffix = "" if architecture == "amd64" else f"-{architecture}"
    write = event.kind == "push" and event.branch is not None and event.branch == event.default_branch
    return Layers(f"{image}:{names.sanitise(f'{NAME}-py{python}{suffix}', 128)}", write=write)
