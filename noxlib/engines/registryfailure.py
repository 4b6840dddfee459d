"""What a registry refuses, in two lines; and when it is worth asking again."""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Optional

import requests

from noxlib.engines import registryauth
from noxlib.errors import EngineError

if TYPE_CHECKING:
    import tenacity

_BUSY = frozenset((408, 429, 500, 502, 503, 504))
_LONGEST = 30.0  #: seconds that are waited for a registry which says when to come back
_NOT_FOUND = 404
_UNKNOWN = "(401)"  # how that failure ends


class Again(Exception):
    """Worth another attempt; ``failure`` is what the user is told after the last one."""

    def __init__(self, failure: EngineError, after: Optional[float] = None) -> None:
        super().__init__(failure.what)
        self.failure = failure
        self.after = after


def seconds_to_wait(state: tenacity.RetryCallState) -> float:
    """What the registry asked for (Retry-After), else longer each time, with jitter."""
    error = state.outcome.exception() if state.outcome else None
    after = error.after if isinstance(error, Again) else None
    if after is not None:
        return min(after, _LONGEST)
    return float(0.2 * 3 ** (state.attempt_number - 1) * random.uniform(0.7, 1.3))  # noqa: S311 - no secret


def absent(answer: requests.Response) -> bool:
    """There is no such manifest, tag or repository."""
    return answer.status_code == _NOT_FOUND


def unreachable(host: str, error: Exception) -> EngineError:
    """Nobody answered, or the connection broke."""
    if "WRONG_VERSION_NUMBER" in str(error):
        return EngineError(
            f"the registry {host} speaks plain text, and no TLS",
            "give it TLS: a password in plain text is for a registry of this machine alone",
            cause="lost",
        )
    if isinstance(error, requests.exceptions.SSLError):
        return EngineError(
            f"the registry {host} shows a certificate that is not trusted here",
            f"name a bundle with its CA in SSL_CERT_FILE, or put the CA at /etc/docker/certs.d/{host}/ca.crt",
            cause="lost",
        )
    return EngineError(
        f"the registry {host} does not answer: {_reason(error)}",
        "see whether it runs and the network reaches it, then run this again",
        cause="lost",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, (ValueError, requests.exceptions.TooManyRedirects)):
        return "its address, a proxy's, or where it sends us is none that could be asked"
    text = str(error)
    for known in ("Connection refused", "Name or service not known", "Connection reset", "No route to host"):
        if known in text:
            return known.lower()
    return type(error).__name__


def failure(host: str, image: str, method: str, answer: requests.Response, *, known: bool) -> EngineError | Again:
    """The failure that an answer stands for; ``known``: we said who we are."""
    code = answer.status_code
    if code in _BUSY:
        rate = code == requests.codes.too_many_requests
        said = "too many requests (429)" if rate else f"it failed itself ({code}{_said(answer)})"
        told = EngineError(f"the registry {host}: {said}", "run this again later", cause="rate-limit" if rate else None)
        return Again(told, _retry_after(answer))
    if code == requests.codes.unauthorized:
        todo = "check user and password" if known else "give it credentials"
        return EngineError(
            f"the registry {host} refuses {'these' if known else 'a caller without'} credentials {_UNKNOWN}",
            (None if known else meant_for_another(host))
            or f"{todo}: docker login {host}, or NOXLIB_REGISTRY_USER and NOXLIB_REGISTRY_PASSWORD",
            cause="credentials",
        )
    if code == requests.codes.forbidden:
        what = "read" if method in ("GET", "HEAD") else "write to"
        return EngineError(
            f"the registry {host} does not let you {what} {image} (403{_said(answer)})",
            "ask its owner; on GitHub the job needs `permissions: packages: write` to publish, and `read` to pull",
            cause="credentials",
        )
    if code == requests.codes.not_allowed and method == "DELETE":
        return EngineError(
            f"the registry {host} deletes no manifests (405)",
            "allow it (distribution: storage.delete.enabled: true), or delete in the registry's own way",
            cause="unsupported",
        )
    return EngineError(f"the registry {host} answers {code} to {method}{_said(answer)}", "see the registry's own log")


def unknown_caller(error: EngineError) -> bool:
    """Whether the registry does not know who asks, by wrong credentials or by none: no right would help."""
    return error.what.endswith(_UNKNOWN)


def meant_for_another(host: str) -> Optional[str]:
    """What to do where credentials are set, and for another host."""
    other = os.environ.get(registryauth.HOST)
    if not os.environ.get(registryauth.USER) or other in (None, "", host):
        return None
    return f"{registryauth.USER} is for {registryauth.HOST}={other!r:.100}: set that to {host}, or docker login {host}"


def _said(answer: requests.Response) -> str:
    """The registry's own message, one short line of it."""
    try:
        body: Any = answer.json()
        message = str(body["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return ""
    return ": " + "".join(letter for letter in message if letter.isprintable())[:200]


def _retry_after(answer: requests.Response) -> Optional[float]:
    text = str(answer.headers.get("Retry-After", ""))
    return float(text) if text.isdigit() else None
