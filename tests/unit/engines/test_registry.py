"""The protocol's corners: what a registry may answer, and whom credentials are given to. Real ones: tests/engines."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from noxlib.engines import blobs, registryauth, registryfailure
from noxlib.engines import registry as registries
from noxlib.engines.registry import Registry
from noxlib.engines.registryauth import Credentials
from noxlib.errors import ConfigError, EngineError
from tests.answering import Answer, Request, answering, host_of

SECRET = "a-secret-of-nobody"
BODY = b'{"schemaVersion": 2}'
DIGEST = registries.sha256(BODY)


class Peer:
    """Answers as it is told, and remembers what it was asked."""

    server: ThreadingHTTPServer

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []  #: method, path, authorization
        self.answer: Callable[[str, str, str], Answer] = lambda *_: Answer()

    def answer_to(self, request: Request) -> Answer:
        asked = (request.method, request.path, request.headers.get("Authorization", ""))
        self.asked.append(asked)
        return self.answer(*asked)

    @property
    def host(self) -> str:
        return host_of(self.server)

    def repository(self, credentials: Credentials | None = None) -> Registry:
        return Registry(f"{self.host}/owner/demo", credentials)


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(registryfailure, "_LONGEST", 0.0)
    monkeypatch.setattr(registries, "seconds_to_wait", lambda _state: 0.0)
    peer = Peer()
    with answering(peer.answer_to) as peer.server:
        yield peer


def test_a_token_is_fetched_with_the_credentials_and_used_without_them(peer: Peer) -> None:
    def answer(_method: str, path: str, authorization: str) -> Answer:
        if path.startswith("/token"):
            return Answer(body=json.dumps({"token": "t0ken"}).encode())
        if authorization == "Bearer t0ken":
            return Answer(headers=(("Docker-Content-Digest", DIGEST),))
        realm = f'Bearer realm="http://{peer.host}/token",service="demo"'
        return Answer(401 if "manifests" in path else 200, (("WWW-Authenticate", realm),))

    peer.answer = answer
    assert peer.repository(Credentials("me", SECRET)).digest("py3.10-main") == DIGEST
    token = [request for request in peer.asked if request[1].startswith("/token")]
    assert token == [
        (
            "GET",
            "/token?scope=repository%3Aowner%2Fdemo%3Apull&service=demo",
            f"Basic {base64.b64encode(f'me:{SECRET}'.encode()).decode()}",
        )
    ]
    others = [request for request in peer.asked if request not in token]
    assert not any("Basic" in authorization for _, _, authorization in others)


def test_a_realm_in_plain_text_elsewhere_gets_nothing(peer: Peer) -> None:
    peer.answer = lambda *_: Answer(401, (("WWW-Authenticate", 'Bearer realm="http://registry.example.org/token"'),))
    with pytest.raises(EngineError, match="no https URL"):
        peer.repository(Credentials("me", SECRET)).digest("x")


def test_basic_credentials_are_sent_only_when_asked_for(peer: Peer) -> None:
    peer.answer = lambda _method, _path, authorization: Answer(
        200 if authorization else 401, (("WWW-Authenticate", "Basic"), ("Docker-Content-Digest", DIGEST))
    )
    assert peer.repository(Credentials("ünï", "pässwörd")).digest("x") == DIGEST
    assert peer.asked[-2][2] == ""
    assert peer.asked[-1][2] == f"Basic {base64.b64encode('ünï:pässwörd'.encode()).decode()}"


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (401, "401"),
        (403, "packages: write"),
        (405, "deletes no manifests"),
        (418, "418"),
        (429, "too many"),
        (500, "500"),
    ],
)
def test_each_refusal_is_two_lines(peer: Peer, code: int, text: str) -> None:
    message = {"errors": [{"message": "because\x1b[2J of\nthat"}]}
    peer.answer = lambda *_: Answer(code, body=json.dumps(message).encode())
    with pytest.raises(EngineError) as caught:
        peer.repository(Credentials("me", SECRET)).delete(DIGEST)
    assert text in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2
    assert "\x1b" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_credentials_that_are_for_another_host_are_not_asked_for_once_more(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOXLIB_REGISTRY_USER", "me")
    monkeypatch.setenv("NOXLIB_REGISTRY_HOST", "ghcr.io")
    peer.answer = lambda *_: Answer(401)
    with pytest.raises(EngineError) as caught:
        peer.repository().tags()
    assert caught.value.todo.startswith("NOXLIB_REGISTRY_USER is for NOXLIB_REGISTRY_HOST='ghcr.io'")


def test_who_is_not_known_is_told_from_who_has_no_right(peer: Peer) -> None:
    for code, unknown in ((401, True), (403, False)):
        peer.answer = lambda *_, code=code: Answer(code)
        with pytest.raises(EngineError) as caught:
            peer.repository(Credentials("me", SECRET)).tags()
        assert registryfailure.unknown_caller(caught.value) == unknown


def test_a_certificate_that_is_not_trusted_is_no_registry_that_does_not_run() -> None:
    told = registryfailure.unreachable("here:5000", requests.exceptions.SSLError())
    assert "does not answer" not in told.what
    assert "certs.d/here:5000/ca.crt" in told.todo


def test_a_registry_without_tls_is_none_whose_certificate_is_not_trusted() -> None:
    error = requests.exceptions.SSLError("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)")
    told = registryfailure.unreachable("here:5000", error)
    assert told.what == "the registry here:5000 speaks plain text, and no TLS"


@pytest.mark.parametrize(
    "header", [("Location", "http://[::"), ("Location", "file:///"), ("WWW-Authenticate", 'Bearer realm="http://[::"')]
)
def test_an_address_that_is_none_is_two_lines(peer: Peer, header: tuple[str, str]) -> None:
    peer.answer = lambda *_: Answer(302 if header[0] == "Location" else 401, (header,))
    with pytest.raises(EngineError, match="where it sends us is none that could be asked") as caught:
        peer.repository(Credentials("me", SECRET)).digest("x")
    assert len(str(caught.value).splitlines()) == 2


def test_an_upload_to_an_address_that_is_none_is_two_lines(peer: Peer) -> None:
    located = Answer(202, (("Location", "http://[::"),))
    peer.answer = lambda method, *_: located if method == "POST" else Answer(404)
    with pytest.raises(EngineError, match="names no address to upload to"):
        blobs.send(peer.repository(), b"data")


@pytest.mark.parametrize("body", [b"<html>log in</html>", b"[]", b"[" * 100_000, b""])
def test_a_page_that_is_no_list_of_tags_is_told_as_one(peer: Peer, body: bytes) -> None:
    peer.answer = lambda *_: Answer(body=body)
    with pytest.raises(EngineError, match=f"the list of tags of {peer.host}/owner/demo is no JSON object"):
        peer.repository().tags()


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_registry_that_is_busy_is_asked_again(peer: Peer, code: int) -> None:
    answers = iter([Answer(), Answer(code, (("Retry-After", "1"),)), Answer(code)])  # the first one: plain text or TLS?
    peer.answer = lambda *_: next(answers, Answer(headers=(("Docker-Content-Digest", DIGEST),)))
    assert peer.repository().digest("x") == DIGEST


def test_what_is_asked_for_again_ends(peer: Peer) -> None:
    peer.answer = lambda *_: Answer(503)
    with pytest.raises(EngineError, match="503"):
        peer.repository().digest("x")
    assert len(peer.asked) == 1 + registries.ATTEMPTS


def test_a_registry_that_answers_nothing_in_time_is_two_lines_and_asked_no_longer(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(peer.server, "handle_error", lambda *_: None)  # nobody listens any more
    heard, ended = threading.Event(), threading.Event()

    def silent(*_: object) -> Answer:
        heard.set()
        return Answer() if ended.wait(600) else Answer(500)

    peer.answer = silent
    with pytest.raises(EngineError, match="no answer in time") as told:
        Registry(f"{peer.host}/owner/demo", None, patience=0.2).digest("x")
    assert heard.wait(600)  # on a busy machine only after it was given up
    ended.set()
    assert (told.value.cause, len(str(told.value).splitlines())) == ("lost", 2)
    assert len(peer.asked) == 1


def test_one_that_asks_for_more_patience_than_there_is_is_not_waited_for(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registries, "seconds_to_wait", lambda _state: 3600.0)
    peer.answer = lambda _, path, __: Answer(429 if "manifests" in path else 200)
    with pytest.raises(EngineError, match="too many requests"):
        peer.repository().digest("x")
    assert len(peer.asked) == 2  # whether it speaks plain text, and then what was to be asked


def test_tags_come_in_pages_from_this_host_whatever_the_link_says(peer: Peer) -> None:
    def answer(_method: str, path: str, _authorization: str) -> Answer:
        if "last=b" in path:
            return Answer(body=b'{"tags": ["b", "c"]}')
        link = '<https://elsewhere.example.org/v2/owner/demo/tags/list?n=2&last=b>; rel="next"'
        return Answer(headers=(("Link", link),), body=b'{"tags": ["a", "b"]}')

    peer.answer = answer
    assert peer.repository().tags() == ("a", "b", "c")


@pytest.mark.parametrize("body", [b'{"tags": null}', b"{}", b'{"tags": []}'])
def test_no_tags_are_no_tags(peer: Peer, body: bytes) -> None:
    peer.answer = lambda *_: Answer(body=body)
    assert peer.repository().tags() == ()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b"[" * 100_000, b'{"tags": [1]}', b'{"tags": ["../x"]}', b'{"tags": "ab"}']
)
def test_an_answer_that_is_none_is_two_lines(peer: Peer, body: bytes) -> None:
    peer.answer = lambda *_: Answer(body=body)
    with pytest.raises(EngineError):
        peer.repository().tags()


def test_a_manifest_is_checked_against_its_digest(peer: Peer) -> None:
    peer.answer = lambda *_: Answer(body=BODY)
    found = peer.repository().manifest(DIGEST)
    assert found is not None
    assert (found.body, found.digest) == (BODY, DIGEST)
    with pytest.raises(EngineError, match="not what its digest says"):
        peer.repository().manifest("sha256:" + "0" * 64)


def test_a_digest_that_the_registry_does_not_tell_is_computed(peer: Peer) -> None:
    peer.answer = lambda *_: Answer(body=BODY)
    assert peer.repository().digest("x") == DIGEST


def test_credentials_print_as_nothing() -> None:
    assert SECRET not in f"{Credentials('me', SECRET)!r} {Credentials('me', SECRET)}"


def test_whose_credentials_go_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    stored = base64.b64encode(b"stored:by-docker-login").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.example.org": {"auth": stored}}}))
    own = {registryauth.USER: "own", registryauth.PASSWORD: SECRET}
    github = {"GITHUB_TOKEN": "ghs_0123456789", "GITHUB_ACTOR": "octocat"}

    def user(host: str, environ: dict[str, str]) -> str | None:
        found = registryauth.find(host, environ)
        return found.user if found else None

    assert user("registry.example.org", {**own, **github}) == "own"
    assert user("registry.example.org", github) == "stored"
    assert user("other.example.org", github) is None
    assert user("ghcr.io", github) == "octocat"
    assert user("ghcr.io.example.org", github) is None
    assert user("ghcr.io", {**github, "FORGEJO_ACTIONS": "true"}) is None  # a token of Forgejo's, under GitHub's name
    gitlab = {"GITLAB_CI": "true", "CI_REGISTRY": "registry.gitlab.com", "CI_REGISTRY_USER": "gitlab-ci-token"}
    assert user("registry.gitlab.com", {**gitlab, "CI_REGISTRY_PASSWORD": SECRET}) == "gitlab-ci-token"
    assert user("other.example.org", {**gitlab, "CI_REGISTRY_PASSWORD": SECRET}) is None
    assert user("ghcr.io", {**own, **github, registryauth.HOST: "registry.example.org"}) == "octocat"
    assert user("other.example.org", {**own, registryauth.HOST: "registry.example.org"}) is None
    with pytest.raises(ConfigError, match="NOXLIB_REGISTRY_USER is not set"):
        registryauth.find("ghcr.io", {registryauth.PASSWORD: SECRET})


def test_a_store_of_dockers_that_is_damaged_is_two_lines_without_its_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"credHelpers": {"registry.example.org": "absent-helper"}}))
    with pytest.raises(EngineError) as caught:
        registryauth.find("registry.example.org", {})
    assert "docker login registry.example.org" in str(caught.value)


@pytest.mark.parametrize(
    ("image", "host"),
    [
        ("ghcr.io/o/d", "ghcr.io"),
        ("localhost/d", "localhost"),
        ("localhost:5000/d", "localhost:5000"),
        ("o/d", "docker.io"),
    ],
)
def test_the_host_of_an_image_is_told_as_docker_tells_it(image: str, host: str) -> None:
    assert registryauth.split(image)[0] == host


def test_the_ca_that_docker_was_given_for_a_registry_is_taken_for_that_one_alone(tmp_path: Path) -> None:
    folder = tmp_path / ".config" / "docker" / "certs.d" / "registry.example.org:5000"
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text("a certificate")
    assert registryauth.own_ca("registry.example.org:5000", tmp_path) == str(folder / "ca.crt")
    assert registryauth.own_ca("registry.example.org", tmp_path) is None
    (folder.parent / "x.crt").write_text("another")
    assert registryauth.own_ca(".", tmp_path) is None
    assert registryauth.own_ca("..", tmp_path) is None
