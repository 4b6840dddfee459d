"""Posting to a webhook, against a small server that holds the contract: what it got, what it answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from noxlib.engines import webhook
from noxlib.errors import ConfigError, EngineError
from noxlib.secret import Secret
from tests.answering import Answer, Request, answering, host_of

PAYLOAD = {"text": "🚨 CRITICAL", "color": "danger"}
TOKEN = "T0123456789"


class Server:
    """Takes what webhooks of chats take (a POST of a JSON object with ``text``), answers with the codes in turn."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[str, Any]] = []
        self.url = ""

    def answer_to(self, request: Request) -> Answer:
        found = json.loads(request.body)
        self.got.append((request.path, found))
        good = request.headers["Content-Type"] == "application/json" and isinstance(found["text"], str)
        code = self.answers.pop(0) if self.answers else 200
        elsewhere = (("Location", "/elsewhere"),) if 300 <= code < 400 else ()
        return Answer(code if good else 400, elsewhere, b"ok")


@contextlib.contextmanager
def webhook_server() -> Iterator[Server]:
    server = Server()
    with answering(server.answer_to) as running:
        server.url = f"http://{host_of(running)}/services/{TOKEN}"
        yield server


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(webhook, "SECONDS", 600.0)  # one that answers late would be asked again
    with webhook_server() as running:
        monkeypatch.setenv("HOOK_TOKEN", running.url)
        yield running


def post() -> None:
    webhook.post(Secret("env:HOOK_TOKEN"), PAYLOAD, wait=0.001)


def refused() -> str:
    with pytest.raises((EngineError, ConfigError)) as caught:
        post()
    assert len(str(caught.value).splitlines()) == 2
    return str(caught.value)


def test_the_payload_arrives_as_it_is(server: Server) -> None:
    post()
    assert server.got == [(f"/services/{TOKEN}", PAYLOAD)]


def test_a_url_in_a_file_is_one_too(server: Server, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(server.url + "\n")
    webhook.post(Secret(f"file:{tmp_path / 'url'}"), PAYLOAD)
    assert len(server.got) == 1


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(server: Server, code: int) -> None:
    server.answers = [code, code]
    post()
    assert len(server.got) == webhook.ATTEMPTS


@pytest.mark.parametrize(("code", "tries"), [(503, webhook.ATTEMPTS), (400, 1), (403, 1), (404, 1), (302, 1), (307, 1)])
def test_a_failure_is_one_line_without_the_url(server: Server, code: int, tries: int) -> None:
    server.answers = [code] * 9
    text = refused()
    assert f"answered {code}" in text
    assert TOKEN not in text
    assert len(server.got) == tries


def test_nobody_there_is_one_line_without_the_url(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", f"http://127.0.0.1:9/services/{TOKEN}")
    text = refused()
    assert "could not be reached, 3 times" in text
    assert TOKEN not in text


@pytest.mark.parametrize("url", ["{}", "file:///{}", "ftp://host/{}", "https:///{}", "http://[{}", "gopher://h/{}"])
def test_what_is_no_url_of_the_web_is_refused_without_repeating_it(
    url: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", url.format(TOKEN))
    text = refused()
    assert "is no URL" in text
    assert TOKEN not in text


def test_a_url_that_requests_refuses_is_one_line(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", f"https://.example/{TOKEN}")
    assert TOKEN not in refused()
