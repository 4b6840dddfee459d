"""``NOXLIB_OFFLINE=1``: nothing is fetched. What would be is told in two lines, with where it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

VARIABLE = "NOXLIB_OFFLINE"


def wanted() -> bool:
    """Whether no connection may be opened but to the engine, and to machines that a step is given."""
    return os.environ.get(VARIABLE, "").lower() not in ("", "0", "false")


def forbid(what: str, source: str) -> None:
    """Do nothing, or where nothing may be fetched refuse to.

    Args:
        what: What is not here.
        source: Where it would come from.

    Raises:
        EngineError: ``NOXLIB_OFFLINE`` is set.
    """
    if wanted():
        raise missing(what, source)


def missing(what: str, source: str) -> EngineError:
    """The two lines of something that is not here."""
    return EngineError(
        f"{VARIABLE} is set, and {what} is not here: it comes from {source}",
        "bring it in a bundle: nox -s testground_export -- --bundle there, nox -s testground_load here",
        cause="absent",
    )


def environment() -> Mapping[str, str]:
    """What keeps uv from asking an index."""
    return {"UV_OFFLINE": "1"} if wanted() else {}
