"""What a registry refuses, in two lines; and when it is worth asking again."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, Optional

import requests

from noxlib.errors import EngineError

if TYPE_CHECKING:
    import tenacity

_BUSY = frozenset((408, 429, 500, 502, 503, 504))
_LONGEST = 30.0  #: seconds that are waited for a registry which says when to come back
_NOT_FOUND = 404


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
    return EngineError(
        f"the registry {host} does not answer: {_reason(error)}",
        "see whether it runs and the network reaches it, then run this again",
        cause="lost",
    )


def _reason(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted here (SSL_CERT_FILE names the bundle)"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
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
            f"the registry {host} refuses {'these' if known else 'a caller without'} credentials (401)",
            f"{todo}: docker login {host}, or NOXLIB_REGISTRY_USER and NOXLIB_REGISTRY_PASSWORD",
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
