"""Secrets print nowhere: not as values, not in streams however they are cut, not in messages."""

from __future__ import annotations

import base64
import json
import os
import pickle
import shlex
import sys
import urllib.parse
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noxlib.errors import ConfigError
from noxlib.secret import MASK, Masker, Secret, known_secrets, mask

if TYPE_CHECKING:
    from pathlib import Path

VALUE = "hunter2/+'\"é x"


def streamed(masker: Masker, data: bytes, cuts: list[int]) -> bytes:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks = [masker.feed(data[start:end]) for start, end in zip(edges, edges[1:])]
    return b"".join([*chunks, masker.flush()])


@pytest.mark.parametrize("shown", [repr, str, format, "{:>20}".format, lambda secret: f"{secret!r}"])
def test_a_secret_shows_no_value_and_no_reference(monkeypatch: pytest.MonkeyPatch, shown: object) -> None:
    assert callable(shown)
    monkeypatch.setenv("THE_NAME", VALUE)
    secret = Secret("env:THE_NAME")
    assert secret.reveal() == VALUE
    assert MASK in shown(secret)
    assert VALUE not in shown(secret)
    assert b"hunter2" not in pickle.dumps(secret)


def test_a_secret_is_read_from_a_file_and_from_a_command_without_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "a file; touch x"
    file.write_text(VALUE + "\n", encoding="utf-8")
    assert Secret(f"file:{file}").reveal() == VALUE
    code = "import sys; print(sys.argv[1])"
    line = shlex.join([sys.executable, "-X", "utf8", "-c", code, "$HOME; `id`"])
    assert Secret(f"command:{line}").reveal() == "$HOME; `id`"


@pytest.mark.parametrize(
    "text",
    ["env:NOXLIB_UNSET", "file:/nonexistent", "command:/nonexistent", "command:false", "command:'", "command:true"],
)
def test_a_secret_that_cannot_be_had_is_said_in_two_lines(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Secret(text).reveal()
    assert len(str(caught.value).splitlines()) == 2


def test_a_binary_file_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="no UTF-8"):
        Secret(f"file:{tmp_path / 'f'}").reveal()


@pytest.mark.parametrize("text", [VALUE, "", "env:", "https://user:hunter2@host", "file", "Env:X"])
def test_a_value_in_place_of_a_reference_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Secret(text)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "form",
    [
        VALUE,
        base64.b64encode(VALUE.encode()).decode(),
        base64.b64encode(f"u:{VALUE}".encode()).decode(),
        base64.urlsafe_b64encode(f"user:{VALUE}".encode()).decode(),
        urllib.parse.quote(VALUE),
        urllib.parse.quote(VALUE, safe=""),
        urllib.parse.quote_plus(VALUE),
        urllib.parse.quote(VALUE, safe="").replace("%2F", "%2f").replace("%C3%A9", "%c3%a9").lower(),
        json.dumps({"password": VALUE}),
        repr([VALUE]),
        shlex.quote(VALUE),
    ],
)
def test_every_form_of_a_secret_is_masked(form: str) -> None:
    masked = mask(f"before {form} after", [VALUE])
    assert MASK in masked
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    rest = masked.replace(MASK, "")
    assert not any(form[start : start + 8] in rest for start in range(1, len(form) - 8) if form.isalnum())
    assert "hunter2" not in rest


def test_each_line_of_a_secret_of_several_lines_is_masked() -> None:
    key = "-----BEGIN KEY-----\nabcdefghij\nklmnopqrst\n-----END KEY-----\n"
    assert mask("x\r\nabcdefghij\r\nklmnopqrst\r\n", [key]) == f"x\r\n{MASK}\r\n{MASK}\r\n"
    assert mask(f"<{key}>", [key]) == f"<{MASK}\n>"


def test_secrets_that_overlap_become_one_mask() -> None:
    assert mask("xxabcdefyy", ["xxabcd", "abcdef"]) == f"{MASK}yy"
    assert mask("abcdefgh", ["abcd", "abcdefgh"]) == MASK


def test_a_stream_without_secrets_passes_at_once() -> None:
    assert Masker([]).feed(b"anything") == b"anything"
    assert Masker(["hunter2"]).feed(b"(Pdb) ") == b"(Pdb) "


def test_only_the_beginning_of_a_secret_is_held_back() -> None:
    masker = Masker(["hunter2"])
    assert masker.feed(b"a line\nhunt") == b"a line\n"
    assert masker.feed(b"ing") == b"hunting"
    assert masker.flush() == b""


ALPHABET = st.text(alphabet="ab", min_size=4, max_size=8)


@given(
    secrets=st.lists(ALPHABET, min_size=1, max_size=3),
    data=st.text(alphabet="abc", max_size=60).map(str.encode),
    cuts=st.lists(st.integers(0, 60), max_size=12),
)
def test_however_a_stream_is_cut_the_masked_text_is_the_same(secrets: list[str], data: bytes, cuts: list[int]) -> None:
    whole = streamed(Masker(secrets), data, [])
    assert streamed(Masker(secrets), data, cuts) == whole
    assert whole.decode() == mask(data.decode(), secrets)
    assert not any(secret.encode() in whole for secret in secrets)


@given(
    value=st.text(min_size=6, max_size=30).filter(lambda text: len(text.strip()) >= 6)
    | st.binary(min_size=8).map(os.fsdecode),
    before=st.binary(max_size=20),
    after=st.binary(max_size=20),
    cuts=st.lists(st.integers(0, 80), max_size=8),
)
def test_no_secret_comes_through_a_stream(value: str, before: bytes, after: bytes, cuts: list[int]) -> None:
    data = value.strip().encode(errors="surrogateescape")
    if len(data) < 6:
        return
    out = streamed(Masker([value]), before + data + after, cuts)
    assert data not in out
    assert MASK.encode() in out


def test_fifty_megabytes_of_output_come_through_whole() -> None:
    masker = Masker(["hunter2-hunter2", "another-secret-value", "x" * 40])
    chunk = b"tests/test_a.py::test_something PASSED with some text [ 50%]\n" * 1000
    size = sum(len(masker.feed(chunk)) for _ in range(50_000_000 // len(chunk)))
    assert size + len(masker.flush()) == len(chunk) * (50_000_000 // len(chunk))


def test_the_environments_secrets_are_known_by_their_names_and_in_urls() -> None:
    environ = {
        "GITHUB_TOKEN": "ghp_123456",
        "pypi_password": "lower-case",
        "MYSQL_PWD": "my-sql-pass",
        "SSH_KEY": "line one\nline two\n",
        "AWS_SECRET_ACCESS_KEY": "aws-aws-aws",
        "PIP_EXTRA_INDEX_URL": "https://u:pa%40ssword@one.example/simple https://abcdefghijklmnopqrstuvwx@two.example/",
        "SHORT_TOKEN": "12345",
        "PWD": "/home/somebody/project",
        "OLDPWD": "/home/somebody/other",
        "SSH_AUTH_SOCK": "/tmp/agent.sock",
        "KEYBOARD": "qwertyuiop",
        "HOME": "/home/somebody",
        "POSTGRES_PASSWORD": "postgres",
        "REMOTE": "https://example.org/path@v1",
    }
    assert set(known_secrets(environ)) == {
        "ghp_123456",
        "lower-case",
        "my-sql-pass",
        "line one\nline two",
        "aws-aws-aws",
        "pa%40ssword",
        "pa@ssword",
        "abcdefghijklmnopqrstuvwx",
    }
