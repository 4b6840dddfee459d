"""GitHub's REST API: pages, limits and failures as its documentation has them. The token is in a header only.

https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api and …/best-practices-for-using-the-rest-api
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Optional
from urllib.parse import urlsplit

import requests

from noxlib.engines import offline, registryauth
from noxlib.engines.index import ca_bundle
from noxlib.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from noxlib.engines.registryauth import Credentials

API = "https://api.github.com"
VERSION = "2022-11-28"  #: of the API, in a header
PAGE = 100  #: the most that a page holds
PACE = 1.0  #: seconds between two requests that change something, as the best practices ask
ATTEMPTS = 6
LONGEST = 900.0  #: seconds that are waited in one go; a limit that lasts longer is told instead
_MINUTE = 60.0  # the least wait where a secondary limit says nothing of its own
_PAGES = 100_000
_SECONDS = (10.0, 60.0)  # to connect, between two bytes of an answer
_BROKEN = frozenset((408, 500, 502, 503, 504))
_LIMITED = frozenset((403, 429))


def base(environ: Mapping[str, str]) -> str:
    """Where the API is: GITHUB_API_URL (GitHub Actions and Enterprise Server set it), else GitHub's own.

    Raises:
        ConfigError: It is no URL to which a token may be sent.
    """
    url = (environ.get("GITHUB_API_URL") or API).rstrip("/")
    with contextlib.suppress(ValueError):  # of brackets that hold no address
        parts = urlsplit(url)
        if parts.hostname and (parts.scheme == "https" or registryauth.LOOPBACK.fullmatch(parts.netloc)):
            return url
    raise ConfigError(f"GITHUB_API_URL is no https URL: {url!r:.80}", "correct or unset it; no token was sent there")


class GitHub:
    """Asks the API, slowly enough, and waits where it says so.

    Args:
        url: The API's, without a slash at its end.
        credentials: Its password is the token; None: anonymous.
        say: Told of every wait longer than a second.
        sleep: Waits.
    """

    def __init__(
        self,
        url: str,
        credentials: Optional[Credentials],
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._session = requests.Session()
        self._session.verify = ca_bundle(os.environ) or True
        if registryauth.LOOPBACK.fullmatch(urlsplit(url).netloc):
            self._session.trust_env = False  # no proxy knows this machine by that name
        self._credentials = credentials
        self._say = say
        self._sleep = sleep
        self._changed = 0.0  # when the last request was sent that changes something

    def ask(self, method: str, path: str, parameters: Optional[Mapping[str, str]] = None) -> requests.Response:
        """One answer: a success, or one of 4xx that is no limit, for the caller to read.

        Raises:
            EngineError: Nobody answers, it fails itself again and again, or a limit lasts too long.
        """
        offline.forbid("the answer of GitHub's API", urlsplit(self.url).netloc)
        for attempt in range(1, ATTEMPTS + 1):
            self._keep_pace(method)
            try:
                answer = self._session.request(
                    method,
                    f"{self.url}/{path}",
                    params=parameters,
                    auth=self._signed,
                    headers={"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": VERSION},
                    timeout=_SECONDS,
                    allow_redirects=False,  # elsewhere the token has no business
                )
            except (requests.RequestException, OSError) as error:
                failure, wait = _unreachable(self.url, error), 2.0**attempt
            else:
                _refuse_elsewhere(answer)
                found = seconds_to_wait(answer, attempt, time.time())
                if found is None:
                    return answer
                failure, wait = _limited(answer, found), found
            if attempt == ATTEMPTS or wait > LONGEST:
                raise failure
            self._wait(wait, failure.what)
        raise AssertionError("unreachable")

    def pages(self, path: str, parameters: Mapping[str, str]) -> Iterator[Any]:
        """Each item of a list; nothing where there is no such list.

        A link's host is never followed, only that there is a next page is read from it.

        Raises:
            EngineError: It is refused, or is no list.
        """
        for page in range(1, _PAGES):
            answer = self.ask("GET", path, {**parameters, "per_page": str(PAGE), "page": str(page)})
            if answer.status_code == requests.codes.not_found:
                return
            items = content(answer)
            if not answer.ok or not isinstance(items, list):
                raise refused(answer, "list what is published")
            yield from items
            if 'rel="next"' not in answer.headers.get("Link", ""):
                return

    def closed_pulls(self, repository: str, numbers: Iterable[int]) -> frozenset[int]:
        """Those pull requests that are closed for certain; ``repository`` is ``owner/name``. Raises EngineError."""
        return frozenset(number for number in sorted(set(numbers)) if self._is_closed(repository, number))

    def _is_closed(self, repository: str, number: int) -> bool:
        answer = self.ask("GET", f"repos/{repository}/pulls/{number}")
        found = content(answer)
        if answer.status_code == requests.codes.not_found:
            return False
        if not answer.ok or not isinstance(found, dict):
            raise refused(answer, "read pull requests")
        return found.get("state") == "closed" and found.get("number") == number

    def _signed(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """As ``auth``, since a header alone would be replaced by what ~/.netrc has."""
        if self._credentials is not None:
            request.headers["Authorization"] = f"Bearer {self._credentials.password}"
        return request

    def _keep_pace(self, method: str) -> None:
        if method == "GET":
            return
        early = self._changed + PACE - time.monotonic()
        if early > 0:
            self._sleep(early)
        self._changed = time.monotonic()

    def _wait(self, seconds: float, why: str) -> None:
        if seconds > 1:
            self._say(f"noxlib: {why}; waiting {seconds:.0f} s")
        self._sleep(seconds)


def seconds_to_wait(answer: requests.Response, attempt: int, now: float) -> Optional[float]:
    """Until it may be asked again; None where it need not be asked again. ``now`` is in seconds since the epoch."""
    code, headers = answer.status_code, answer.headers
    if code in _BROKEN:
        return 2.0**attempt
    if code not in _LIMITED:
        return None
    after, reset = str(headers.get("Retry-After", "")), str(headers.get("X-RateLimit-Reset", ""))
    if after.isdecimal():
        return float(after)
    if headers.get("X-RateLimit-Remaining") == "0" and reset.isdecimal():
        return max(0.0, float(reset) - now) + 1  # it is in whole seconds
    if code == requests.codes.too_many_requests or "rate limit" in said(answer).lower():
        return _MINUTE * 2.0 ** (attempt - 1)
    return None


def content(answer: requests.Response) -> Any:
    """The parsed body; None where it is no JSON."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        return None


def said(answer: requests.Response) -> str:
    """GitHub's own message, one short line of it."""
    found = content(answer)
    message = found.get("message") if isinstance(found, dict) else None
    return "".join(letter for letter in str(message or "") if letter.isprintable())[:200]


def refused(answer: requests.Response, what: str) -> EngineError:
    """The failure that an answer of 4xx stands for."""
    code = answer.status_code
    if code in (requests.codes.unauthorized, requests.codes.forbidden, requests.codes.not_found):
        return EngineError(
            f"GitHub does not let this token {what} ({code}: {said(answer)})",
            "give it admin on the package (a job's GITHUB_TOKEN: the package's settings, Manage Actions access), or "
            "name a token with read:packages and delete:packages in [tool.noxlib.retention] token",
            cause="credentials",
        )
    return EngineError(f"GitHub does not {what} ({code}: {said(answer)})", "see https://www.githubstatus.com")


def _refuse_elsewhere(answer: requests.Response) -> None:
    if answer.is_redirect or 300 <= answer.status_code < 400:  # noqa: PLR2004 - RFC 9110; ``ok`` takes it for a success
        raise EngineError(
            f"GitHub's API sends us elsewhere ({answer.status_code})",
            "the owner or the package has another name by now: correct image in [tool.noxlib]",
        )


def _limited(answer: requests.Response, seconds: float) -> EngineError:
    if answer.status_code in _BROKEN:
        return EngineError(f"GitHub's API fails ({answer.status_code})", "run this again later", cause="lost")
    again = time.strftime("%H:%M", time.gmtime(time.time() + seconds + _MINUTE))
    return EngineError(
        "GitHub's limit of requests is reached",
        f"run this again after {again} UTC; what is done stays done",
        cause="rate-limit",
    )


def _unreachable(url: str, error: Exception) -> EngineError:
    return EngineError(
        f"GitHub's API at {urlsplit(url).netloc} does not answer ({type(error).__name__})",
        "see whether the network reaches it, then run this again",
        cause="lost",
    )
