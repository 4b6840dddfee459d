"""Who we are to a registry: credentials of the environment or of docker's own store, basic or by token.

Nothing of it is ever an argument of a program, part of a URL, or printed.
"""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import urlsplit

import requests

from noxlib.errors import ConfigError, EngineError

if TYPE_CHECKING:
    from collections.abc import Mapping

USER, PASSWORD, HOST = "NOXLIB_REGISTRY_USER", "NOXLIB_REGISTRY_PASSWORD", "NOXLIB_REGISTRY_HOST"
GITHUB = "ghcr.io"
_LIKE_GITHUB = ("FORGEJO_ACTIONS", "GITEA_ACTIONS")  # they set GITHUB_TOKEN too, and it is none of GitHub's
#: Hosts that may speak plain text, as docker allows it: this machine.
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]+){3}|\[::1\])(:[0-9]+)?")
#: docker's name of the user where ``docker login`` was given a refresh token to keep instead of a password.
IDENTITY = "<token>"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


class Credentials:
    """A user and a password, or a token in its place; prints as neither. Of ``IDENTITY`` it is a refresh token."""

    __slots__ = ("password", "user")

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password

    def __repr__(self) -> str:
        return "Credentials(***)"

    @property
    def identity(self) -> bool:
        """Whether the password is a refresh token: good for asking a token server, and for no registry itself."""
        return self.user == IDENTITY


def split(image: str) -> tuple[str, str]:
    """Host and name of an image; one without a host is Docker Hub's.

    >>> split("ghcr.io/owner/demo"), split("127.0.0.1:5000/demo"), split("demo")
    (('ghcr.io', 'owner/demo'), ('127.0.0.1:5000', 'demo'), ('docker.io', 'library/demo'))
    """
    host, slash, name = image.partition("/")
    if slash and re.search(r"[.:]|^localhost$", host):
        return host, name
    return "docker.io", image if slash else f"library/{image}"


def own_ca(host: str, home: Path) -> Optional[str]:
    """The CA bundle that docker was given for one registry, ``certs.d/<host[:port]>/*.crt``; None where there is none.

    https://docs.docker.com/engine/security/certificates/
    """
    folders = (Path("/etc/docker"), home / ".config" / "docker", Path("/etc/containers"))
    if not host.strip("."):
        return None
    found = (path for folder in folders for path in sorted((folder / "certs.d" / host).glob("*.crt")))
    return next((str(path) for path in found if os.access(path, os.R_OK)), None)


def find(host: str, environ: Mapping[str, str]) -> Optional[Credentials]:
    """The credentials for a host: NOXLIB_REGISTRY_*, CI's own for its registry, or what ``docker login`` stored.

    A token of GitHub's is for ghcr.io alone (one of Forgejo's, of the same name, for nobody), and
    ``NOXLIB_REGISTRY_HOST`` says for which host the others are: the name of the image stands in a file that anybody's
    branch may change.

    Raises:
        ConfigError: One of user and password is set without the other.
    """
    user, password = environ.get(USER), environ.get(PASSWORD)
    if bool(user) != bool(password):
        raise ConfigError(f"{USER if password else PASSWORD} is not set, and the other one is", "set both, or neither")
    if user and password and environ.get(HOST) in (None, "", host):
        return Credentials(user, password)
    return _of_ci(host, environ) or _of_docker(host)


def _of_ci(host: str, environ: Mapping[str, str]) -> Optional[Credentials]:
    """GitHub's token for ghcr.io; GitLab's for the registry that its runner names."""
    if any(environ.get(name) == "true" for name in _LIKE_GITHUB):
        return None
    if host == GITHUB and environ.get("GITHUB_TOKEN"):
        return Credentials(environ.get("GITHUB_ACTOR") or "noxlib", environ["GITHUB_TOKEN"])
    user, password = environ.get("CI_REGISTRY_USER"), environ.get("CI_REGISTRY_PASSWORD")
    if environ.get("GITLAB_CI") == "true" and host == environ.get("CI_REGISTRY") and user and password:
        return Credentials(user, password)
    return None


def _of_docker(host: str) -> Optional[Credentials]:
    """What ``docker login`` left, in its file or in the credential helper that the file names."""
    import docker.auth  # noqa: PLC0415 - 0.1 s, and most calls have credentials of their own
    import docker.errors  # noqa: PLC0415

    try:
        with warnings.catch_warnings():  # of a helper that is missing; the error says it
            warnings.simplefilter("ignore")
            found = docker.auth.load_config().resolve_authconfig(None if host == "docker.io" else host) or {}
    except (docker.errors.DockerException, OSError, ValueError, AttributeError, TypeError) as error:
        raise EngineError(
            f"docker's credentials for {host} cannot be read: {type(error).__name__}",
            f"log in again (docker login {host}), or set {USER} and {PASSWORD}",
        ) from error
    given = {name.lower(): value for name, value in found.items()}  # a helper's are in capitals, the file's are not
    if given.get("identitytoken"):
        return Credentials(IDENTITY, str(given["identitytoken"]))
    user, password = given.get("username"), given.get("password")
    return Credentials(str(user), str(password)) if user and password else None


def anonymous(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No credentials, of ~/.netrc neither."""
    return request


class Auth:
    """Sends requests as this registry wants them: nothing, basic, or a bearer token for each scope."""

    def __init__(self, session: requests.Session, host: str, credentials: Optional[Credentials]) -> None:
        self._session = session
        self._host = host
        self._credentials = credentials
        self._scheme = ""
        self._tokens: dict[str, str] = {}

    @property
    def known(self) -> bool:
        """Whether there are credentials at all."""
        return self._credentials is not None

    def send(self, method: str, url: str, scope: str, **keywords: Any) -> requests.Response:
        """One request; where the registry asks who we are, a second one that says so."""
        answer = self._session.request(method, url, auth=self._signed(scope), **keywords)
        if answer.status_code != requests.codes.unauthorized:
            return answer
        challenge = str(answer.headers.get("WWW-Authenticate", ""))
        self._scheme = challenge.partition(" ")[0].lower()
        if self._scheme == "bearer":
            how = {name: value for name, value in keywords.items() if name in {"timeout", "verify"}}
            self._tokens[scope] = self._token(dict(_PARAMETER.findall(challenge)), scope, how)
        elif self._scheme != "basic" or self._basic is anonymous:
            return answer
        return self._session.request(method, url, auth=self._signed(scope), **keywords)

    def _signed(self, scope: str) -> Any:
        if self._scheme == "basic":
            return self._basic
        token = self._tokens.get(scope)
        if token is None:
            return anonymous

        def bearer(request: requests.PreparedRequest) -> requests.PreparedRequest:
            request.headers["Authorization"] = f"Bearer {token}"
            return request

        return bearer

    @property
    def _basic(self) -> Any:
        known = self._credentials
        if known is None or known.identity:
            return anonymous
        return requests.auth.HTTPBasicAuth(known.user.encode(), known.password.encode())

    def _token(self, challenge: Mapping[str, str], scope: str, how: Mapping[str, Any]) -> str:
        """A token for a scope (distribution's "Token Authentication Specification"); empty where none is given.

        What is trusted for the registry is trusted for who gives its tokens, as docker has it.
        """
        realm = challenge.get("realm", "")
        parts = urlsplit(realm)
        if parts.scheme != "https" and not LOOPBACK.fullmatch(parts.netloc):
            raise EngineError(
                f"{self._host} sends us to {realm!r:.80} for a token, which is no https URL", "nothing was sent there"
            )
        asked = {"scope": scope, **({"service": challenge["service"]} if "service" in challenge else {})}
        if self._credentials is not None and self._credentials.identity:
            answer = self._session.post(realm, **_refreshing(self._credentials, asked), **how)
        else:
            answer = self._session.get(realm, params=asked, auth=self._basic, **how)
        try:
            found = answer.json() if answer.ok else {}
        except ValueError:
            found = {}
        return str(found.get("token") or found.get("access_token") or "") if isinstance(found, dict) else ""


def _refreshing(known: Credentials, asked: Mapping[str, str]) -> dict[str, Any]:
    """A token for a refresh token (distribution's "OAuth2 Token Authentication"); no redirect takes it elsewhere."""
    form = {"grant_type": "refresh_token", "client_id": "noxlib", "refresh_token": known.password, **asked}
    return {"data": form, "auth": anonymous, "allow_redirects": False}
