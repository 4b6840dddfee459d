"""Limits that a place does not enforce are not dropped silently."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from noxlib.plan import Limits


def confess(place: str, limits: Limits, kept: tuple[str, ...] = ()) -> None:
    """Say which of the limits asked for the place does not keep; the time limit every place does.

    Args:
        place: Its name.
        limits: What was asked for.
        kept: Names of fields that this place keeps beside the time limit.
    """
    asked = {
        "memory": limits.memory is not None,
        "cpus": limits.cpus is not None,
        "network": not limits.network,
        "shm_size": limits.shm_size is not None,
        "disk": limits.disk is not None,
        "devices": bool(limits.devices),
    }
    ignored = [name for name, wanted in asked.items() if wanted and name not in kept]
    if ignored:
        names = ", ".join("network = false" if name == "network" else name for name in ignored)
        only = ", ".join(("the time limit", *kept))
        print(f"noxlib: the place {place} keeps {only} only, not {names}", flush=True)
