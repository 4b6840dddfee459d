"""Images on their way: pushed, pulled, saved and loaded by the engine. Credentials go in a header of its own API."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any, Optional

from noxlib.engines.buildfailure import registry_failure
from noxlib.engines.refusals import absent_is_none, speaking
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from noxlib.engines.docker import Docker
    from noxlib.engines.registryauth import Credentials

_REFUSED = re.compile(r"unauthorized|authentication required|no basic auth|denied", re.IGNORECASE)
_CHUNK = 1 << 20


def push(reference: str, docker: Docker, credentials: Optional[Credentials]) -> None:
    """Push an image under a name that it has in the engine. What is cut short goes on at the next push.

    Raises:
        EngineError: The registry refuses, or does not answer.
    """
    image, _, tag = reference.rpartition(":")
    with _moving(docker, f"pushing {reference}"):
        stream = docker._api.push(image, tag, stream=True, decode=True, auth_config=_config(credentials))  # noqa: SLF001
        error = _error(stream)
    if error is not None:
        raise _refusal(f"{reference} cannot be pushed", error)


def pull(reference: str, docker: Docker, credentials: Optional[Credentials]) -> None:
    """Pull ``name@sha256:…``. Raises EngineError."""
    image, _, digest = reference.rpartition("@")
    with _moving(docker, f"pulling {reference}"):
        stream = docker._api.pull(image, digest, stream=True, decode=True, auth_config=_config(credentials))  # noqa: SLF001
        error = _error(stream)
    if error is not None:
        if _REFUSED.search(error):
            raise _refusal(f"{reference} cannot be pulled", error)
        raise registry_failure(reference, error)


def tag(reference: str, new: str, docker: Docker) -> None:
    """Give an image of the engine another name."""
    image, _, name = new.rpartition(":")
    with speaking(str(docker.endpoint), f"tagging {reference}"):
        docker._api.tag(reference, image, name, force=True)  # noqa: SLF001


def untag(reference: str, docker: Docker) -> None:
    """Take a name away, and the image with its last one; an absent name is fine."""
    with speaking(str(docker.endpoint), f"removing the name {reference}"):
        absent_is_none(lambda: docker._api.remove_image(reference, noprune=False) or True, statuses=(404, 409))  # noqa: SLF001


def save(references: Sequence[str], docker: Docker) -> Iterator[bytes]:
    """The tar of several images, layers that they share once, in chunks."""
    api = docker._api  # noqa: SLF001 - the SDK's own call saves one image only
    url = api._url("/images/get")  # noqa: SLF001
    with (
        speaking(str(docker.endpoint), "saving images"),
        api.get(url, params={"names": references}, stream=True) as answer,
    ):
        api._raise_for_status(answer)  # noqa: SLF001
        yield from answer.iter_content(_CHUNK)


def load(chunks: Iterable[bytes], docker: Docker) -> None:
    """Load a tar of images, as it is or compressed.

    Raises:
        EngineError: The engine refuses it.
    """
    with speaking(str(docker.endpoint), "loading images"):
        error = _error(docker._api.load_image(chunks, quiet=True))  # noqa: SLF001
    if error is not None:
        raise EngineError(f"the engine cannot load the archive: {error}", "see the engine's own log")


@contextlib.contextmanager
def _moving(docker: Docker, doing: str) -> Iterator[None]:
    """What ends such a stream early counts as the engine's failure; of the SDK's parser too."""
    try:
        with speaking(str(docker.endpoint), doing):
            yield
    except json.JSONDecodeError as error:
        raise EngineError(f"the engine broke off while {doing}", "run this again", cause="lost") from error


def _config(credentials: Optional[Credentials]) -> Optional[dict[str, str]]:
    """None would have the SDK look into docker's store, which has been done; empty: anonymous."""
    return {"username": credentials.user, "password": credentials.password} if credentials else {}


def _error(stream: Iterable[Mapping[str, Any]]) -> Optional[str]:
    """The SDK raises nothing for what the engine reports in the middle of its stream. It is read to its end."""
    found: Optional[str] = None
    for line in stream:
        found = (
            str(line.get("error") or line.get("message") or "") or found
        )  # the latter of a call that is refused whole
    return found


def _refusal(what: str, said: str) -> EngineError:
    reason = " ".join(said.split())[:300]
    if _REFUSED.search(reason):
        return EngineError(
            f"{what}: {reason}",
            "check the credentials: docker login, or NOXLIB_REGISTRY_USER and NOXLIB_REGISTRY_PASSWORD",
            cause="credentials",
        )
    full = "no space left" in reason.lower()
    todo = "free space there" if full else "see whether the registry runs, then run this again: it goes on where it was"
    return EngineError(f"{what}: {reason}", todo, cause="disk-full" if full else "registry")
