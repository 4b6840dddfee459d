"""Posts to a webhook. Its URL is a secret: whoever has it may post, so it stands in no message of ours."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import requests
import tenacity

from noxlib.engines import offline
from noxlib.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from noxlib.secret import Secret

SECONDS = 10.0  #: for an answer
ATTEMPTS = 3
_AGAIN = frozenset((408, 429, 500, 502, 503, 504))
_ADVICE = "see whether the webhook is still there; the records are untouched, run this again any time"


class _Unanswered(Exception):
    """It may work the next time."""


def post(url: Secret, payload: Mapping[str, str], *, wait: float = 1.0) -> None:
    """Post a JSON object; tried again, ``wait`` seconds and twice as many later, where the other side is at fault.

    Raises:
        ConfigError: the secret cannot be read, or is no URL of http or https.
        EngineError: nobody answers, or the answer is no success. A redirection is none: the URL would go elsewhere.
    """
    address = _address(url)
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # at DEBUG it prints paths, which hold the token
    attempts = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(ATTEMPTS),
        wait=tenacity.wait_exponential(wait, max=30),
        retry=tenacity.retry_if_exception_type(_Unanswered),
        reraise=True,
    )
    try:
        attempts(_post_once, address, payload)
    except _Unanswered as error:
        raise EngineError(f"the webhook {error}, {ATTEMPTS} times", _ADVICE) from None


def _address(url: Secret) -> str:
    address = url.reveal().strip()
    try:
        parts = urlsplit(address)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good:
        raise ConfigError("the secret with the webhook's URL is no URL", "it begins with https:// and names a host")
    return address


def _post_once(address: str, payload: Mapping[str, str]) -> None:
    offline.forbid("nobody to be told", "the webhook's address")
    try:
        answer = requests.post(address, json=dict(payload), timeout=SECONDS, allow_redirects=False)
    except requests.Timeout:
        raise _Unanswered(f"gave no answer within {SECONDS:g} s") from None
    except requests.ConnectionError:
        raise _Unanswered("could not be reached") from None
    except requests.RequestException as error:  # its text holds the URL
        raise EngineError(f"the webhook could not be asked ({type(error).__name__})", _ADVICE) from None
    if answer.status_code in _AGAIN:
        raise _Unanswered(f"answered {answer.status_code}")
    if not 200 <= answer.status_code < 300:  # noqa: PLR2004 - success, by RFC 9110
        raise EngineError(f"the webhook answered {answer.status_code}", _ADVICE)
