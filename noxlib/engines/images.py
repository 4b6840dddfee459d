"""Images on their way: pushed, pulled, saved and loaded by the engine. Credentials go in a header of its own API."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import time
from typing import TYPE_CHECKING, Any, Callable, NamedTuple, Optional

from noxlib.engines import offline
from noxlib.engines.buildfailure import registry_failure
from noxlib.engines.refusals import absent_is_none, speaking
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from noxlib.engines.docker import Docker
    from noxlib.engines.registryauth import Credentials

_REFUSED = re.compile(r"unauthorized|authentication required|no basic auth|denied", re.IGNORECASE)
_BUSY = re.compile(r"toomanyrequests|\b429\b|HTTP status: 5[0-9]{2}|status 5[0-9]{2}", re.IGNORECASE)
_PLAIN = re.compile(r"gave HTTP response to HTTPS client")  # of podman, for a registry of this machine too
_KNOWN = (
    (re.compile("no space left", re.IGNORECASE), "free space there", "disk-full"),
    (re.compile(r"toomanyrequests|\b429\b", re.IGNORECASE), "run this again later", "rate-limit"),
    (
        re.compile("certificate"),
        "give the engine its CA: /etc/docker/certs.d/HOST:PORT/ca.crt (podman: /etc/containers)",
        "registry",
    ),
    (_PLAIN, "give it TLS, or name it as insecure to the engine (podman: registries.conf)", "registry"),
)
_CHUNK = 1 << 20
WAITS = (2.0, 10.0)  #: seconds before a busy registry is asked again
_AGAIN = "Retrying in "  # what docker says of a layer that it moves once more
_THERE = ("Pushed", "Layer already exists", "Mounted from", "Download complete", "Pull complete", "Already exists")


def push(reference: str, docker: Docker, credentials: Optional[Credentials]) -> None:
    """Push an image under a name that it has in the engine. What is cut short goes on at the next push.

    Raises:
        EngineError: The registry refuses, or does not answer.
    """
    image, _, tag = reference.rpartition(":")
    asked = _Asked(f"pushing {reference}", "/images/{0}/push", (image,), {"tag": tag}, credentials)
    error = _patiently(lambda: _move(asked, docker))
    if error is not None:
        raise _refusal(f"{reference} cannot be pushed", error)


def pull(reference: str, docker: Docker, credentials: Optional[Credentials]) -> None:
    """Pull ``name@sha256:…``. Raises EngineError."""
    offline.forbid(f"the image {reference}", "its registry")
    image, _, digest = reference.rpartition("@")
    named = {"fromImage": image, "tag": digest}
    error = _patiently(lambda: _move(_Asked(f"pulling {reference}", "/images/create", (), named, credentials), docker))
    if error is not None:
        if _REFUSED.search(error) or _PLAIN.search(error):
            raise _refusal(f"{reference} cannot be pulled", error)
        raise registry_failure(reference, error)


class _Asked(NamedTuple):
    """A request to the engine that moves an image, and its answer a stream of what happens."""

    doing: str
    path: str
    words: tuple[str, ...]  #: for the places in the path
    parameters: dict[str, str]
    credentials: Optional[Credentials]


class _Moved(NamedTuple):
    """How a move ended."""

    error: Optional[str]  #: in the engine's own words
    tried: bool = False  #: the engine has tried again itself what failed


def _patiently(move: Callable[[], _Moved]) -> Optional[str]:
    """What a move ends with. An engine tries a layer again for a minute, but no manifest, and nothing after a 429."""
    for seconds in WAITS:
        error, tried = move()
        if error is None or tried or not _BUSY.search(error):
            return error
        time.sleep(seconds)
    return move().error


def _move(asked: _Asked, docker: Docker) -> _Moved:
    """How one move ends. The SDK's calls look for one of the two forms of an error only."""
    from docker.auth import encode_header  # noqa: PLC0415 - 0.1 s: only where an engine is used

    api = docker._api  # noqa: SLF001
    headers = {"X-Registry-Auth": encode_header(_config(asked.credentials)).decode()}
    with _moving(docker, asked.doing):
        url = api._url(asked.path, *asked.words)  # noqa: SLF001
        with api._post(url, params=asked.parameters, headers=headers, stream=True) as answer:  # noqa: SLF001
            if answer.ok:
                again: set[str] = set()
                error = _error(_noting(api._stream_helper(answer, decode=True), again))  # noqa: SLF001
                return _Moved(error, bool(again))
            return _Moved(_said(answer.text) or f"it answers {answer.status_code}")


def _noting(stream: Iterable[Mapping[str, Any]], again: set[str]) -> Iterator[Mapping[str, Any]]:
    """The same stream; ``again`` holds the layers that the engine has tried again and not brought there by now."""
    for line in stream:
        status, layer = str(line.get("status")), str(line.get("id"))
        if status.startswith(_AGAIN):
            again.add(layer)
        elif status.startswith(_THERE):
            again.discard(layer)
        yield line


def _said(text: str) -> str:
    """Of an answer that is no stream: docker's ``message``, podman's ``error``."""
    try:
        found = json.loads(text)
    except ValueError:
        return text.strip()
    return _error([found]) or "" if isinstance(found, dict) else ""


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


def saved(reference: str, docker: Docker) -> Iterator[bytes]:
    """The tar of one image once the engine has it ready, which takes it longest, and one processor."""
    chunks = save((reference,), docker)
    first = list(itertools.islice(chunks, 1))
    return itertools.chain(first, chunks)


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


def _config(credentials: Optional[Credentials]) -> dict[str, str]:
    """Empty: anonymous."""
    if credentials is not None and credentials.identity:
        return {"identitytoken": credentials.password}
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
    for form, todo, cause in _KNOWN:
        if form.search(reason):
            return EngineError(f"{what}: {reason}", todo, cause=cause)
    todo = "see whether the registry runs, then run this again: it goes on where it was"
    return EngineError(f"{what}: {reason}", todo, cause="registry")
