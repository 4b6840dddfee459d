"""``--record``: where a real peer is, and the file of what it said, which never takes the place of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import UsageError
from noxlib.places import mocks, recordings
from noxlib.places.box import Attachment
from noxlib.places.stack import Stack

SAID = [{"httpRequest": {"path": "/a"}, "httpResponse": {"statusCode": 200, "body": {"token": "hush-hush-hush"}}}]


@pytest.mark.parametrize(
    ("url", "peer"),
    [
        ("https://admin.example.org", recordings.Peer("admin.example.org", 443, "HTTPS")),
        ("http://real:9000/", recordings.Peer("real", 9000, "HTTP")),
    ],
)
def test_a_peer_is_named_by_its_url(url: str, peer: recordings.Peer) -> None:
    assert recordings.parse([f"mock-admin={url}"], ["mock-admin"]) == {"mock-admin": peer}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mock-admn=http://a", r"did you mean mock-admin\?"),
        ("mock-admin", "no address of a peer"),
        ("mock-admin=ftp://a", "no address of a peer"),
        ("mock-admin=http://a:none", "no address of a peer"),
        ("mock-admin=http://a/below", "no address of a peer"),
        ("mock-admin=http://[a", "no address of a peer"),
    ],
)
def test_what_names_no_peer_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recordings.parse([text], ["mock-admin"])


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    (tmp_path / "mocks").mkdir()
    service: dict[str, Any] = {
        "image": "mockserver/mockserver:5.15.0",
        "environment": {mocks.EXPECTATIONS: "/config/a.json"},
        "volumes": [{"type": "bind", "source": str(tmp_path / "mocks"), "target": "/config"}],
    }
    services = {"mock": service, "bare": {"image": "mockserver/mockserver:5.15.0"}}
    return Stack("file", "runner", services, Attachment(), secrets=("hush-hush-hush",))


def recorded(folder: Path, name: str, text: str) -> Path:
    place = folder / "result" / recordings.FOLDER
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{name}.json").write_text(text)
    return folder / "result"


def test_what_was_recorded_goes_beside_what_is_there_with_secrets_masked(tmp_path: Path, stack: Stack) -> None:
    own = tmp_path / "mocks" / "a.json"
    own.write_text("[]")
    result = recorded(tmp_path, "mock", json.dumps(SAID))
    beside = tmp_path / "mocks" / "a.recorded.json"
    assert recordings.keep(result, ["mock"], stack, tmp_path, stack.secrets) == (
        "recorded 1 expectations of mock to a.recorded.json; a.json stays as it is",
    )
    assert own.read_text() == "[]"
    assert "hush" not in (result / recordings.FOLDER / "mock.json").read_text()
    assert json.loads(beside.read_text())[0]["httpResponse"]["body"] == {"token": "***"}
    assert "in place of an earlier one" in recordings.keep(result, ["mock"], stack, tmp_path, stack.secrets)[0]


def test_where_no_file_is_it_becomes_the_file(tmp_path: Path, stack: Stack) -> None:
    recordings.keep(recorded(tmp_path, "bare", json.dumps(SAID)), ["bare"], stack, tmp_path, stack.secrets)
    assert list(mocks.mistakes(tmp_path / "tests" / "mocks" / "bare.json")) == []


@pytest.mark.parametrize("text", [None, "[]", "no JSON", "[" * 100_000, "{}", '[{"httpRequest": {"metod": 5}}]'])
def test_what_is_no_recording_is_not_written(tmp_path: Path, stack: Stack, text: str | None) -> None:
    result = tmp_path / "result" if text is None else recorded(tmp_path, "mock", text)
    (line,) = recordings.keep(result, ["mock"], stack, tmp_path, stack.secrets)
    assert "recorded" in line
    assert list((tmp_path / "mocks").iterdir()) == []


def test_a_link_that_tests_left_is_not_followed(tmp_path: Path, stack: Stack) -> None:
    (tmp_path / "secret").write_text(json.dumps(SAID))
    result = recorded(tmp_path, "other", "[]")
    (result / recordings.FOLDER / "mock.json").symlink_to(tmp_path / "secret")
    assert recordings.keep(result, ["mock"], stack, tmp_path, stack.secrets) == ("nothing was recorded of mock",)


@pytest.mark.parametrize("name", ["result", f"result/{recordings.FOLDER}"])
def test_a_link_that_tests_put_in_a_folders_place_is_not_followed(tmp_path: Path, stack: Stack, name: str) -> None:
    result = recorded(tmp_path, "mock", json.dumps(SAID))
    (tmp_path / name).rename(tmp_path / "elsewhere")
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    assert recordings.keep(result, ["mock"], stack, tmp_path, stack.secrets) == ("nothing was recorded of mock",)


def test_a_checkout_that_cannot_be_written_is_told_and_ends_no_run(tmp_path: Path, stack: Stack) -> None:
    result = recorded(tmp_path, "bare", json.dumps(SAID))
    (tmp_path / "tests").write_text("no folder")
    (line,) = recordings.keep(result, ["bare"], stack, tmp_path, stack.secrets)
    assert line.startswith("what was recorded of bare cannot be written to bare.json: ")
