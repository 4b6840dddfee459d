"""Expectations of mock peers: what MockServer would refuse is told with its line, before anything starts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from noxlib.errors import PlaceError
from noxlib.places import mock_schema, mocks, stack_lint

OWN = Path(__file__).parents[2] / "mocks"
GOOD = {"httpRequest": {"method": "GET", "path": "/a"}, "httpResponse": {"statusCode": 200}}


def service(folder: Path, named: str = "/config/a.json", target: str = "/config") -> dict[str, Any]:
    return {
        "image": "mockserver/mockserver:5.15.0",
        "environment": {mocks.EXPECTATIONS: named, mocks.PORT: "8000,8443"},
        "volumes": [{"type": "bind", "source": str(folder), "target": target}],
    }


@pytest.mark.parametrize("file", sorted(OWN.glob("*.json")), ids=lambda file: file.name)
def test_our_own_expectations_are_without_mistakes(file: Path) -> None:
    assert list(mocks.mistakes(file)) == []


def test_the_files_are_those_that_the_service_mounts_and_names(tmp_path: Path) -> None:
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text("[]")
    assert mocks.files(service(tmp_path)) == (tmp_path / "a.json",)
    assert mocks.files(service(tmp_path, "/config/*.json")) == (tmp_path / "a.json", tmp_path / "b.json")
    assert mocks.files(service(tmp_path / "a.json", "/config/a.json", "/config/a.json")) == (tmp_path / "a.json",)
    assert mocks.files(service(tmp_path, "/elsewhere/a.json")) == ()
    assert mocks.files({"image": "redis:7"}) == ()


def test_the_inmost_mount_has_the_file(tmp_path: Path) -> None:
    one = service(tmp_path)
    one["volumes"].append({"type": "bind", "source": str(OWN), "target": "/config/a.json"})
    assert mocks.files(one) == (OWN,)
    assert mocks.files({**service(tmp_path), "configs": [{"source": "a", "target": "/config/a.json"}]}) == ()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("/config/b.json", "b.json: it cannot be read: No such file or directory"),
        ("/config/b*.json", "b*.json: there is no such file in mocks"),
        ("/config/a*.json", None),
        ("/config/{a,b}.json", None),
        ("/config/**.json", None),
        ("/elsewhere/b.json", None),
    ],
)
def test_expectations_that_are_not_there_are_a_mistake(tmp_path: Path, named: str, said: str | None) -> None:
    folder = tmp_path / "mocks"
    folder.mkdir()
    (folder / "a.json").write_text("[]")
    one = service(folder, named)
    assert list(mocks.problems(one)) == ([said] if said else [])
    whats = [mistake.what for mistake in stack_lint.mistakes({"services": {"mock": one}}, "own")]
    assert whats == ([f"MockServer would refuse {said}"] if said else [])


def test_expectations_that_are_to_be_made_are_none(tmp_path: Path) -> None:
    one = service(tmp_path)
    with pytest.raises(PlaceError, match="No such file"):
        mocks.check({"mock": one})
    mocks.check({"mock": one}, {"mock"})
    one["environment"][mocks.PERSISTED] = "/config/a.json"
    mocks.check({"mock": one})
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(PlaceError, match=r"a\.json:1"):
        mocks.check({"mock": one}, {"mock"})


def test_a_mock_server_is_known_by_its_image_or_its_variables() -> None:
    known: dict[str, Any] = {
        "one": {"image": "registry.example.org/mockserver/mockserver:5"},
        "two": {"environment": {mocks.PORT: "80"}},
    }
    others = {"cache": {"image": "redis:7"}, "ui": {"image": "example.org/mockserver/mockserver-ui:5"}}
    assert mocks.servers({**known, **others}) == {"one": 1080, "two": 80}


def test_an_error_of_json_is_told_with_file_line_and_column(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[\n  {"id": "a",}\n]')
    (said,) = mocks.mistakes(tmp_path / "a.json")
    assert said.startswith(("a.json:2:13: ", "a.json:2:14: ")), said  # at the comma since Python 3.13
    with pytest.raises(PlaceError, match=r"MockServer would refuse a\.json:2"):
        mocks.check({"mock": service(tmp_path)})
    (tmp_path / "a.json").write_bytes(b"\xff")
    assert list(mocks.mistakes(tmp_path / "a.json")) == ["a.json: it is no text in UTF-8"]


def test_a_wrong_key_is_told_with_its_line_its_place_and_the_nearest(tmp_path: Path) -> None:
    wrong = {"httpRequest": {"metod": "GET"}, "httpResponse": {"status": 200}}
    (tmp_path / "a.json").write_text(json.dumps([GOOD, wrong], indent=1))
    assert list(mocks.mistakes(tmp_path / "a.json")) == [
        "a.json:13: [1].httpRequest.metod: there is no 'metod'; did you mean method?",
        "a.json:16: [1].httpResponse.status: there is no 'status'; did you mean statusCode?",
    ]
    with pytest.raises(PlaceError, match="and 1 more"):
        mocks.check({"mock": service(tmp_path)})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"httpResponse": {"statusCode": "200"}}, "expected a whole number, found '200'"),
        ({"httpResponse": {"statusCode": True}}, "expected a whole number, found True"),
        ({"httpRequest": {"path": 5}}, "expected a text or an object, found 5"),
        ({"httpRequest": []}, "expected an object, found []"),
        ({"times": {"remainingTimes": 1.5}}, "expected a whole number, found 1.5"),
        ({"timeToLive": {"timeUnit": "WEEKS"}}, "found 'WEEKS'"),
        ({"httpForward": {"host": "a"}}, "it has httpResponse and httpForward"),
        ({"httpResponse": {"headers": "a"}}, "expected an object or a list, found 'a'"),
        ({"httpRespons": {}}, "did you mean httpResponse?"),
    ],
)
def test_a_wrong_shape_is_told(change: dict[str, Any], said: str) -> None:
    (problem,) = mock_schema.problems({**GOOD, **change})
    assert said in problem[1]


def test_an_expectation_needs_something_to_answer() -> None:
    assert [what for _, what in mock_schema.problems([{"httpRequest": {}}, 5])] == [
        "an expectation has one of httpResponse, httpForward, httpError and their like; it has none",
        "an expectation is an object",
    ]


def test_a_request_by_openapi_is_known() -> None:
    by = {"specUrlOrPayload": "https://example.org/openapi.json", "operationId": "list"}
    assert list(mock_schema.problems({**GOOD, "httpRequest": by})) == []
