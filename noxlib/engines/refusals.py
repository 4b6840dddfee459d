"""What an engine refuses, and where it does not answer at all: two lines instead of the SDK's exceptions."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING, Any, Callable, Optional, TypeVar

from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

T = TypeVar("T")
_LOOK = "see `docker info`, and the engine's own log"


@contextlib.contextmanager
def speaking(endpoint: str, doing: str) -> Iterator[None]:
    """Turn what the SDK raises while ``doing`` something into an EngineError; cause ``lost`` where nothing answered."""
    import docker.errors  # noqa: PLC0415 - 0.1 s: only where an engine is used
    import requests  # noqa: PLC0415 - the SDK has loaded it

    try:
        yield
    except docker.errors.APIError as error:
        raise _refused(doing, error) from error
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise EngineError(
            f"the engine at {endpoint} stopped answering while {doing}: {_line(error)}",
            "see whether it runs (`docker info`), then run the session again",
            cause="lost",
        ) from error


def in_time(call: Callable[[], object]) -> bool:
    """Whether a call ended before its own timeout."""
    import requests  # noqa: PLC0415 - the SDK has loaded it

    try:
        call()
    except requests.exceptions.ReadTimeout:
        return False
    except requests.exceptions.ConnectionError as error:
        if "timed out" in str(error).lower():
            return False
        raise
    return True


def _refused(doing: str, error: Any) -> EngineError:
    text = _line(error.explanation or error)
    if "no space left on device" in text.lower():
        return EngineError(
            f"the engine's disk is full while {doing}: {text}",
            "free space: `docker system df`, `docker image prune`",
            cause="disk-full",
        )
    if error.status_code == 404 and "no such image" in text.lower():  # noqa: PLR2004 - HTTP
        return EngineError(f"{text} (while {doing})", "build it first: nox -s testground_build")
    misnamed = "invalid reference format" in text
    todo = "correct the image's name: it may have a variable that is not set" if misnamed else _LOOK
    return EngineError(f"the engine refused while {doing}: {text}", todo)


def _line(error: object) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def absent_is_none(call: Callable[[], T], statuses: tuple[int, ...] = (404,)) -> Optional[T]:
    """What the call returns; None where the engine says that there is no such thing."""
    import docker.errors  # noqa: PLC0415 - as above

    try:
        return call()
    except docker.errors.APIError as error:
        if error.status_code in statuses:
            return None
        raise


@contextlib.contextmanager
def signals_held_back() -> Iterator[None]:
    """A signal in the middle of a create call would leave a thing whose name we never learned."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
