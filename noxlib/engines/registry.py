"""A registry, by the OCI distribution specification 1.1: manifests, digests, tags, deletion. Engines move layers."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urljoin

import msgspec
import requests
import tenacity

from noxlib.engines import offline, registryauth
from noxlib.engines.index import ca_bundle
from noxlib.engines.registryfailure import Again, absent, failure, seconds_to_wait, unreachable
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from noxlib.engines.registryauth import Credentials

INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
IMAGES = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PAGE = 100  #: tags asked for at once
ATTEMPTS = 4
_PAGES = 100_000  # a registry that gives a next page for ever is broken
PATIENCE = 60.0  #: seconds for one answer in all, however often it is asked for; of a long one, between two bytes
_CONNECT = 5.0  # seconds
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  # it becomes part of a path
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')


class Manifest(msgspec.Struct, frozen=True):
    """A manifest, byte by byte as the registry has it: its digest is over these bytes."""

    media_type: str
    body: bytes
    digest: str

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEXES

    def content(self) -> dict[str, Any]:
        """The parsed body. Raises EngineError."""
        return _object(self.body, f"the manifest {self.digest}")


class Registry:
    """One repository of one registry. Every method raises EngineError, in two lines, where the registry fails.

    Args:
        image: ``host[:port]/name``, without tag; without a host it is Docker Hub's.
        credentials: None: anonymous.
        attempts: How often it is asked where it is busy or the connection breaks.
        patience: Seconds after which it is given up.
    """

    def __init__(
        self,
        image: str,
        credentials: Optional[Credentials],
        attempts: int = ATTEMPTS,
        patience: float = PATIENCE,
    ) -> None:
        self.image = image
        self.host, self.name = registryauth.split(image)
        self._session = requests.Session()
        self._session.verify = ca_bundle(os.environ) or True
        if registryauth.LOOPBACK.fullmatch(self.host):
            self._session.trust_env = False  # no proxy knows this machine by that name
        self._auth = registryauth.Auth(self._session, self.host, credentials)
        self._trust = registryauth.own_ca(self.host, Path.home()) or self._session.verify
        self._attempts = attempts
        self._patience = patience
        self._base: Optional[str] = None

    def digest(self, reference: str) -> Optional[str]:
        """The digest that a tag names; None where there is no such tag, or no such repository yet."""
        answer = self.ask("HEAD", f"manifests/{reference}", accept=(*INDEXES, *IMAGES))
        if absent(answer):
            return None
        told = str(answer.headers.get("Docker-Content-Digest", ""))
        if DIGEST.fullmatch(told):
            return told
        found = self.manifest(reference)
        return found.digest if found else None

    def manifest(self, reference: str) -> Optional[Manifest]:
        """The manifest of a tag or a digest, checked against its digest; None: there is none. Raises EngineError."""
        answer = self.ask("GET", f"manifests/{reference}", accept=(*INDEXES, *IMAGES))
        if absent(answer):
            return None
        digest = sha256(answer.content)
        told = str(answer.headers.get("Docker-Content-Digest", digest))
        if told != digest or (reference.startswith("sha256:") and reference != digest):
            raise EngineError(
                f"{self.image}: the manifest {reference} is not what its digest says", "somebody changed it on the way"
            )
        media_type = str(answer.headers.get("Content-Type", "")).partition(";")[0].strip()
        return Manifest(media_type, answer.content, digest)

    def put(self, tag: str, manifest: Manifest) -> None:
        """Give a manifest of this repository a tag: no layer is sent."""
        self.ask(
            "PUT", f"manifests/{tag}", body=manifest.body, headers={"Content-Type": manifest.media_type}, write=True
        )

    def tags(self) -> tuple[str, ...]:
        """All tags; none where there is no such repository yet."""
        found: list[str] = []
        path: Optional[str] = f"tags/list?n={PAGE}"
        for _ in range(_PAGES):
            answer = self.ask("GET", path)
            if absent(answer):
                break
            found += _tags(answer.content, self.image)
            path = _next_page(answer.headers.get("Link"))
            if path is None:
                return tuple(dict.fromkeys(found))
        return tuple(dict.fromkeys(found))

    def clock(self) -> Optional[float]:
        """What time it is for the registry, seconds since the epoch; None where it does not say."""
        told = str(self.ask("GET", "tags/list?n=1").headers.get("Date", ""))
        try:
            return parsedate_to_datetime(told).timestamp()
        except (TypeError, ValueError, IndexError):
            return None

    def configuration(self, digest: str) -> dict[str, Any]:
        """The configuration of an image by the digest in its manifest: labels, time, platform; checked against it.

        Raises:
            EngineError: It is not there, or damaged.
        """
        answer = self.ask("GET", f"blobs/{digest}")
        if absent(answer) or sha256(answer.content) != digest:
            raise EngineError(f"{self.image}: the configuration {digest} is missing or damaged", "publish it again")
        return _object(answer.content, f"the configuration {digest}")

    def delete(self, reference: str) -> bool:
        """Delete a manifest by its digest, in most registries with every tag on it; False where there was none.

        By a tag some registries delete the tag alone, some all tags of its digest, and some refuse.
        """
        return not absent(self.ask("DELETE", f"manifests/{reference}", write=True))

    def ask(
        self, method: str, path: Optional[str], *, write: bool = False, attempts: int = 0, **what: Any
    ) -> requests.Response:
        """One answer: below 300, or 404; tried again where the registry is busy or the connection broke.

        Args:
            method: As in HTTP.
            path: Below ``/v2/NAME/``; or an address that this registry gave, which has to be its own.
            write: Whether pushing has to be allowed.
            attempts: How often; default: as this repository was told.
            what: ``accept``, ``body``, ``headers``, ``params``, ``stream``.
        """
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(attempts or self._attempts) | tenacity.stop_before_delay(self._patience),
            wait=seconds_to_wait,
            retry=tenacity.retry_if_exception_type(Again),
            reraise=True,
        )
        offline.forbid(f"what is published as {self.image}", f"the registry {self.host}")
        try:
            return retrying(self._once, method, str(path), write, time.monotonic() + self._patience, **what)
        except Again as error:
            raise error.failure from error

    def _once(self, method: str, path: str, write: bool, until: float, **what: Any) -> requests.Response:
        left = max(until - time.monotonic(), 0.1)
        scope = (
            f"repository:{self.name}:{'pull,push,delete' if method == 'DELETE' else 'pull,push' if write else 'pull'}"
        )
        try:
            timeout = (min(_CONNECT, left), left)
            base = self._url(timeout)
            url = urljoin(f"{base}/v2/{self.name}/", path)
            if not url.startswith(f"{base}/"):  # our credentials are for nobody else
                raise EngineError(f"the registry {self.host} sends us to {url!r:.100}", "nothing was sent there")
            answer = self._auth.send(method, url, scope, verify=self._trust, timeout=timeout, **_request(**what))
        except (requests.RequestException, OSError, ValueError) as error:  # the last one of an address that is none
            raise Again(unreachable(self.host, error)) from error
        if answer.ok or absent(answer):
            return answer
        raise failure(self.host, self.image, method, answer, known=self._auth.known)

    def _url(self, timeout: tuple[float, float]) -> str:
        """TLS everywhere, but on this machine where a registry answers in plain text, as docker allows it."""
        if self._base is None:
            base = f"https://{'registry-1.docker.io' if self.host == 'docker.io' else self.host}"
            if registryauth.LOOPBACK.fullmatch(self.host):
                plain = f"http://{self.host}"
                answer = self._session.get(f"{plain}/v2/", timeout=timeout, auth=registryauth.anonymous)
                if answer.status_code != 400:  # noqa: PLR2004 - what a TLS server says to plain text
                    base = plain
            self._base = base
        return self._base


def _request(accept: tuple[str, ...] = (), body: Any = None, headers: Any = None, **more: Any) -> dict[str, Any]:
    given = {"Accept": ", ".join(accept)} if accept else {}
    return {"data": body, "headers": {**given, **(headers or {})}, **more}


def sha256(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise EngineError(f"{what} is no JSON object", "see whether that is a registry, and what was pushed there")
    return found


def _tags(body: bytes, image: str) -> list[str]:
    """``tags`` is null where all tags of a repository are gone (distribution 2)."""
    tags = _object(body, f"the list of tags of {image}").get("tags") or []
    if not isinstance(tags, list) or not all(isinstance(tag, str) and _TAG.fullmatch(tag) for tag in tags):
        raise EngineError(f"the registry lists tags of {image} that are none", "look at what was pushed there")
    return tags


def _next_page(link: Optional[str]) -> Optional[str]:
    """The query of the next page; whatever host a registry names there, it is this one that is asked."""
    found = _NEXT.search(link or "")
    query = found[1].partition("?")[2] if found else ""
    return f"tags/list?{query}" if query else None
