"""The sister services over HTTP: the admin module, and the storage elements that it knows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, BinaryIO, Callable, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from ingester.cache import Cache
from ingester.schemas import StorageElement, StorageElements, Stored, Token
from ingester.settings import Settings

EARLY = 30  #: seconds before its end from which on a token is not used any more
Schema = TypeVar("Schema", bound=BaseModel)


class PeerError(Exception):
    """A peer did not do its part; ``status`` is what our own caller is told."""

    status = 502


class PeerSlow(PeerError):
    """It did not answer in time."""

    status = 504


class PeerRefused(PeerError):
    """It took our token for none of its own."""


class NoStorage(PeerError):
    """No storage element takes files, or has this one."""

    status = 503


class Admin:
    """The admin module; what it says is kept in the cache for as long as it holds."""

    def __init__(self, client: httpx.Client, cache: Cache, settings: Settings) -> None:
        self._client = client
        self._cache = cache
        self._settings = settings

    def token(self) -> str:
        """A token by which we show peers who we are."""
        known = self._cache.get("token")
        if known is not None:
            return known
        secret = self._settings.client_secret.get_secret_value()
        words = {"client_id": self._settings.client_id, "client_secret": secret}
        answer = asked(self._client, "POST", f"{self._settings.admin_url}/api/auth/token", json=words)
        token = understood(Token, answer)
        if token.expires_in > EARLY:
            self._cache.put("token", token.access_token, token.expires_in - EARLY)
        return token.access_token

    def authorized(self, send: Callable[[dict[str, str]], httpx.Response]) -> httpx.Response:
        """Send with our token; once more with a new one where it is refused."""
        try:
            return send({"Authorization": f"Bearer {self.token()}"})
        except PeerRefused:
            self._cache.forget("token")
            return send({"Authorization": f"Bearer {self.token()}"})

    def storage_elements(self) -> list[StorageElement]:
        known = self._cache.get("storage-elements")
        if known is not None:
            return StorageElements.model_validate_json(known).items
        url = f"{self._settings.admin_url}/api/storage-elements"
        answer = self.authorized(lambda headers: asked(self._client, "GET", url, headers=headers))
        elements = understood(StorageElements, answer)
        self._cache.put("storage-elements", elements.model_dump_json(), self._settings.storage_elements_seconds)
        return elements.items


class Storage:
    """The files of all storage elements."""

    def __init__(self, client: httpx.Client, admin: Admin) -> None:
        self._client = client
        self._admin = admin

    def writable(self) -> StorageElement:
        """A storage element that takes files. Raises NoStorage."""
        return self._first(lambda element: element.mode == "rw", "no storage element takes files")

    def named(self, name: str) -> StorageElement:
        """The storage element of this name. Raises NoStorage."""
        return self._first(lambda element: element.id == name, f"there is no storage element {name} any more")

    def upload(self, element: StorageElement, name: str, content_type: str, content: BinaryIO) -> str:
        """Store a file; its id there."""

        def send(headers: dict[str, str]) -> httpx.Response:
            content.seek(0)
            files = {"file": (name, content, content_type)}
            return asked(self._client, "POST", f"{element.url}/api/v1/files/upload", files=files, headers=headers)

        return understood(Stored, self._admin.authorized(send)).file_id

    def delete(self, element: StorageElement, stored_as: str) -> None:
        """Delete a file; one that is gone already is no error."""
        url = f"{element.url}/api/v1/files/{stored_as}"
        self._admin.authorized(lambda headers: asked(self._client, "DELETE", url, absent=True, headers=headers))

    @contextlib.contextmanager
    def content(self, element: StorageElement, stored_as: str) -> Iterator[Iterator[bytes]]:
        """The content of a file, piece by piece as it comes."""
        url = f"{element.url}/api/v1/files/{stored_as}"

        def send(headers: dict[str, str]) -> httpx.Response:
            answer = self._client.send(self._client.build_request("GET", url, headers=headers), stream=True)
            try:
                return checked(answer)
            except PeerError:
                answer.close()
                raise

        with told(url), contextlib.closing(self._admin.authorized(send)) as answer:
            yield answer.iter_bytes()

    def alive(self) -> bool:
        """Whether a storage element that takes files answers."""
        try:
            asked(self._client, "GET", f"{self.writable().url}/api/v1/health/live")
        except PeerError:
            return False
        return True

    def _first(self, wanted: Callable[[StorageElement], bool], without: str) -> StorageElement:
        found = next(filter(wanted, self._admin.storage_elements()), None)
        if found is None:
            raise NoStorage(without)
        return found


@contextlib.contextmanager
def told(url: str) -> Iterator[None]:
    """What httpx raises, as errors of ours."""
    try:
        yield
    except httpx.TimeoutException as error:
        raise PeerSlow(f"{httpx.URL(url).host} did not answer in time") from error
    except httpx.HTTPError as error:
        raise PeerError(f"{httpx.URL(url).host} cannot be reached: {error}") from error


def asked(client: httpx.Client, method: str, url: str, *, absent: bool = False, **words: Any) -> httpx.Response:
    """A peer's answer. Raises PeerError; not for 404 where ``absent`` is fine."""
    with told(url):
        answer = client.request(method, url, **words)
    return answer if absent and answer.status_code == httpx.codes.NOT_FOUND else checked(answer)


def checked(answer: httpx.Response) -> httpx.Response:
    """The answer, when it is a good one. Raises PeerError."""
    if answer.status_code == httpx.codes.UNAUTHORIZED:
        raise PeerRefused(f"{answer.url.host} refused our token")
    if not answer.is_success:
        raise PeerError(f"{answer.url.host} answered {answer.status_code}")
    return answer


def understood(schema: type[Schema], answer: httpx.Response) -> Schema:
    """What a peer's answer says. Raises PeerError."""
    try:
        return schema.model_validate_json(answer.content)
    except ValidationError as error:
        raise PeerError(f"{answer.url.host} answered something else: {error.errors()[0]['msg']}") from error
