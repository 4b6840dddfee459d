"""Known secrets are in no recording, wherever they stood; and MockServer still takes it and meets what was asked."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from noxlib.places import mock_schema, recorded_secrets

S = "correct+horse/battery"
ANY = recorded_secrets.ANY_TEXT


def masked(request: dict[str, Any], response: dict[str, Any], *secrets: str) -> dict[str, Any]:
    found = recorded_secrets.masked({"httpRequest": request, "httpResponse": response}, secrets or (S,))
    assert list(mock_schema.problems([found])) == []
    assert S not in json.dumps(found)
    return found


def test_an_answer_has_masks_in_their_place() -> None:
    data = base64.b64encode(f"a {S} b".encode()).decode()
    body = {"said": [f"it is {S}", 5, None], S: True, "again": base64.b64encode(S.encode()).decode()}
    assert masked({}, {"statusCode": 200, "headers": {"X-Said": [S]}, "body": body})["httpResponse"] == {
        "statusCode": 200,
        "headers": {"X-Said": ["***"]},
        "body": {"said": ["it is ***", 5, None], "***": True, "again": "***"},
    }
    found = masked({}, {"body": {"type": "BINARY", "base64Bytes": data}})["httpResponse"]["body"]
    assert base64.b64decode(found["base64Bytes"]) == b"a *** b"


def masked_body(body: Any) -> Any:
    return masked({"path": "/a", "body": body}, {})["httpRequest"].get("body")


def test_a_request_takes_anything_where_one_was() -> None:
    asked = {"method": "GET", "path": f"/a.b/{S}/c", "queryStringParameters": {"page": ["a.b"], "by": [S]}}
    found = masked(asked, {})["httpRequest"]
    assert found["queryStringParameters"] == {"page": ["a.b"], "by": [".*"]}
    assert re.fullmatch(found["path"], "/a.b/another one/c")
    assert not re.fullmatch(found["path"], "/aXb/another one/c")
    document = {"type": "JSON", "json": {"said": f"it is {S}", "user": "a"}}
    assert masked_body(document) == {"type": "JSON", "json": {"said": ANY, "user": "a"}}


@pytest.mark.parametrize(
    "body",
    [
        f"it is {S}",
        {"type": "XML", "xml": f"<a>{S}</a>"},
        {"type": "BINARY", "base64Bytes": base64.b64encode(S.encode()).decode()},
        {"type": "JSON", "json": {S: 1}},
    ],
)
def test_a_body_that_has_no_place_for_anything_is_left_out(body: Any) -> None:
    assert masked_body(body) is None


def test_a_number_that_is_a_secret_goes_and_the_words_of_an_expectation_stay() -> None:
    found = masked({"path": "/a"}, {"statusCode": 200, "body": {"pin": 123456, "n": 7}}, "123456", "statusCode")
    assert found["httpResponse"] == {"statusCode": 200, "body": {"pin": 0, "n": 7}}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.just(S),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just(S), inner),
)


@given(JSON, JSON)
@settings(max_examples=30)
def test_whatever_was_said_holds_none(asked: Any, said: Any) -> None:
    body = {"type": "JSON", "json": asked}
    found = masked({"path": f"/{S}", "body": body}, {"body": {"said": said}})
    assert recorded_secrets.masked(found, (S,)) == found
