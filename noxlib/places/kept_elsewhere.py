"""A stack that stays up at the engine that was taken when it was started, though another one is taken now."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from noxlib.engines import compose
from noxlib.engines.docker import Docker
from noxlib.errors import EngineError
from noxlib.places.kept import KIND

if TYPE_CHECKING:
    from typing import Callable, Optional

    from noxlib.ledger import Entry, Ledger


def engine_of(entry: Optional[Entry], otherwise: Callable[[], Docker]) -> Docker:
    """The engine with a stack that is up, by its entry; where none is up another one.

    Raises:
        EngineError: it does not answer.
    """
    url = entry.details.get("endpoint") if entry else None
    if not url:
        return otherwise()
    try:
        return Docker.connect_to(url)
    except EngineError as error:
        raise EngineError(error.what, "start it: the services that stay up are there") from None


def remove(ledger: Ledger, entry: Entry, docker: Docker) -> bool:
    """Whether a stack is up at another engine than this one; it goes there, or by a start at which that answers."""
    url = entry.details.get("endpoint", str(docker.endpoint))
    if url == str(docker.endpoint):
        return False
    try:
        compose.remove(Docker.connect_to(url), entry.name)
        told = "are removed there"
    except EngineError as error:
        ledger.add(KIND, entry.name, details={"endpoint": url}, detached=True, expires=time.time())
        told = f"are left for `nox -s reap`: {error.what}"
    print(f"noxlib: the services that are up are at {url}, and {told}", flush=True)
    return True
