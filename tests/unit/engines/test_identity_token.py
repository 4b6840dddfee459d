"""What ``docker login`` keeps instead of a password: a refresh token, for which a token server gives one for a scope.

The server keeps what distribution documents, and nothing more lenient:
https://distribution.github.io/distribution/spec/auth/oauth/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests

from noxlib.engines import images, layers, registryauth
from noxlib.engines.layers import Layers
from noxlib.engines.registry import Manifest, Registry, sha256
from noxlib.engines.registryauth import Credentials
from noxlib.errors import EngineError
from tests.answering import Answer, Request, answering, host_of

if TYPE_CHECKING:
    from collections.abc import Iterator

REFRESH, SERVICE = "kas9Da81Dfa8-of-nobody", "registry.example.org"
BODY = b'{"schemaVersion": 2}'
MEDIA_TYPE = "application/vnd.oci.image.manifest.v1+json"
HELPER = f"""#!/bin/sh
cat >/dev/null
echo '{{"ServerURL": "x", "Username": "<token>", "Secret": "{REFRESH}"}}'
"""


class TokenServer:
    """A registry and its token server in one; the tokens are the scopes that they are good for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str, str]] = []  #: method, path, authorization, body
        self.form: dict[str, str] = {}  #: the last one that was posted for a token
        self.speaks_oauth2 = True
        self.elsewhere = ""  #: where a POST for a token is redirected to
        self.host = ""

    def answer_to(self, request: Request) -> Answer:
        body = request.body.decode()
        self.asked.append((request.method, request.path, request.headers.get("Authorization", ""), body))
        return self.token(request, body) if urlsplit(request.path).path == "/token" else self.registry(request)

    def token(self, request: Request, body: str) -> Answer:
        """A token for the scope that is asked for, by POST with each parameter that the specification requires."""
        if request.method != "POST":
            return Answer(401)
        if self.elsewhere:
            return Answer(307, (("Location", self.elsewhere),))
        if not self.speaks_oauth2:
            return Answer(404)
        self.form = {name: value for name, (value,) in parse_qs(body, strict_parsing=True).items()}
        required = (request.headers.get_content_type(), self.form["grant_type"], self.form["service"])
        if required != ("application/x-www-form-urlencoded", "refresh_token", SERVICE) or not self.form["client_id"]:
            return Answer(400, body=b'{"error": "invalid_request"}')
        if self.form["refresh_token"] != REFRESH:
            return Answer(401, body=b'{"error": "invalid_grant"}')
        given = {"access_token": f"for {self.form['scope']}", "scope": self.form["scope"], "expires_in": 60}
        return Answer(200, (("Content-Type", "application/json"),), json.dumps(given).encode())

    def registry(self, request: Request) -> Answer:
        """One manifest, for who has a token of the scope that the method needs."""
        realm = f'realm="http://{self.host}/token",service="{SERVICE}"'
        if request.path == "/v2/":
            return Answer(401, (("WWW-Authenticate", f"Bearer {realm}"),))
        scope = f"repository:owner/demo:{'pull,push' if request.method == 'PUT' else 'pull'}"
        if request.headers.get("Authorization") == f"Bearer for {scope}":
            return Answer(200, (("Content-Type", MEDIA_TYPE), ("Docker-Content-Digest", sha256(BODY))), BODY)
        return Answer(401, (("WWW-Authenticate", f'Bearer {realm},scope="{scope}"'),))

    def repository(self, credentials: Credentials | None) -> Registry:
        return Registry(f"{self.host}/owner/demo", credentials)


@pytest.fixture
def server() -> Iterator[TokenServer]:
    server = TokenServer()
    with answering(server.answer_to) as running:
        server.host = host_of(running)
        yield server


def in_the_file(host: str) -> dict[str, Any]:
    return {"auths": {host: {"auth": "MDAwMDAwMDA6", "identitytoken": REFRESH}}}


def in_a_helper(host: str) -> dict[str, Any]:
    return {"auths": {host: {}}, "credHelpers": {host: "safe"}}


@pytest.mark.parametrize("store", [in_the_file, in_a_helper])
def test_an_identity_token_of_docker_login_reads_and_writes_by_a_token_for_each(
    store: Any, server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = tmp_path / "docker-credential-safe"
    helper.write_text(HELPER)
    helper.chmod(0o755)
    (tmp_path / "config.json").write_text(json.dumps(store(server.host)))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    known = registryauth.find(server.host, {})
    assert known is not None
    registry = server.repository(known)
    assert registry.digest("py3.10-main") == sha256(BODY)
    assert server.form == {
        "grant_type": "refresh_token",
        "refresh_token": REFRESH,
        "client_id": "noxlib",
        "service": SERVICE,
        "scope": "repository:owner/demo:pull",
    }
    registry.put("py3.10-main", Manifest(MEDIA_TYPE, BODY, sha256(BODY)))
    assert server.form["scope"] == "repository:owner/demo:pull,push"
    assert registry.manifest("py3.10-main") is not None
    assert [path for method, path, _, _ in server.asked if method == "POST"] == ["/token"] * 2
    told = [f"{path} {authorization}" for _, path, authorization, _ in server.asked]
    assert not any(
        REFRESH in line or "Basic" in line for line in told
    )  # in the body for the token server, nowhere else
    assert not any(
        body for method, path, _, body in server.asked if (method, path) != ("POST", "/token") and REFRESH in body
    )


def test_one_that_was_revoked_is_two_lines_without_it(server: TokenServer) -> None:
    with pytest.raises(EngineError) as told:
        server.repository(Credentials(registryauth.IDENTITY, "revoked-of-nobody")).digest("x")
    assert (told.value.cause, len(str(told.value).splitlines())) == ("credentials", 2)
    assert f"docker login {server.host}" in told.value.todo
    assert "revoked-of-nobody" not in str(told.value)


def test_a_token_server_without_oauth2_gets_it_in_no_other_way(server: TokenServer) -> None:
    server.speaks_oauth2 = False
    with pytest.raises(EngineError, match="refuses these credentials"):
        server.repository(Credentials(registryauth.IDENTITY, REFRESH)).digest("x")
    assert [(method, path) for method, path, _, body in server.asked if REFRESH in body] == [("POST", "/token")]
    assert not any(path.startswith("/token?") for _, path, _, _ in server.asked)


def test_no_redirect_takes_it_to_somebody_else(server: TokenServer) -> None:
    server.elsewhere = f"http://{server.host}/v2/caught"
    with pytest.raises(EngineError, match="refuses these credentials"):
        server.repository(Credentials(registryauth.IDENTITY, REFRESH)).digest("x")
    assert not any("caught" in path for _, path, _, _ in server.asked)


def test_a_registry_that_wants_a_password_is_given_none(server: TokenServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "registry", lambda _: Answer(401, (("WWW-Authenticate", 'Basic realm="x"'),)))
    with pytest.raises(EngineError, match="refuses these credentials"):
        server.repository(Credentials(registryauth.IDENTITY, REFRESH)).digest("x")
    assert {authorization for _, _, authorization, _ in server.asked} == {""}


def test_the_engine_is_given_it_as_what_it_is_and_the_builder_finds_it_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert images._config(Credentials(registryauth.IDENTITY, REFRESH)) == {"identitytoken": REFRESH}
    (tmp_path / "config.json").write_text(json.dumps(in_the_file("registry.example.org")))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in (registryauth.USER, registryauth.PASSWORD):
        monkeypatch.delenv(name, raising=False)
    with layers.configured(Layers("registry.example.org/a:b")) as folder:
        assert folder is None


def test_what_is_trusted_for_the_registry_is_trusted_for_its_token_server(
    server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = requests.Session()
    auth = registryauth.Auth(session, server.host, None)
    trusted = []
    asking = session.request

    def ask(method: str, url: str, **words: Any) -> requests.Response:
        trusted.append(words["verify"])
        return asking(method, url, **words)

    monkeypatch.setattr(session, "request", ask)
    auth.send("GET", f"http://{server.host}/v2/", "repository:a:pull", verify="ours.crt", timeout=60)
    assert trusted == ["ours.crt"] * 3
