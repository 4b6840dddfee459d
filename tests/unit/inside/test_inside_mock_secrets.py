"""What is recorded of a real peer holds no secret that its field's name tells of, and is met again by any other one."""

from __future__ import annotations

from typing import Any

import pytest

from noxlib.inside import mock_recording, mock_secrets
from noxlib.inside.mock_secrets import ANY_NUMBER, ANY_TEXT
from noxlib.places import mock_schema

S = "correct-horse-battery"


def expectation(request: dict[str, Any], response: dict[str, Any]) -> dict[str, Any]:
    recorded = {"httpRequest": {"method": "POST", "path": "/a", **request}, "httpResponse": response}
    (found,) = mock_recording.expectations([recorded])
    assert list(mock_schema.problems([found])) == []
    assert S not in str(found)
    return found


@pytest.mark.parametrize(
    "name",
    [
        *(
            "password",
            "userPassword",
            "X-Api-Key",
            "apikey",
            "APIKey",
            "access_token",
            "accessToken",
            "client_secret",
            "pwd",
        ),
        *("Authorization", "auth", "credentials", "X-Amz-Signature", "jsessionid", "privateKey", "session-id", "OTP"),
    ],
)
def test_names_that_tell_of_a_secret(name: str) -> None:
    assert mock_secrets.sounds_secret(name)


@pytest.mark.parametrize(
    "name",
    ["key", "author", "token_type", "tokenCount", "expires_in", "password_changed_at", "token_endpoint", "", "-"],
)
def test_names_that_do_not(name: str) -> None:
    assert not mock_secrets.sounds_secret(name)


def test_json_of_an_answer_keeps_its_shape() -> None:
    body = {
        "access_token": S,
        "token_type": "bearer",
        "items": [{"password": S, "pin": 123456, "has_password": True, "name": "a"}],
        "credentials": {"user": S, "keys": [S, None]},
        "next": f"https://example.org/a?page=2&token={S}#end",
        "text": f'{{"api_key": "{S}", "pin": 7, "a": 1}}',
    }
    said = expectation({}, {"statusCode": 200, "body": {"type": "JSON", "json": body}})["httpResponse"]["body"]
    assert said == {
        "access_token": "***",
        "token_type": "bearer",
        "items": [{"password": "***", "pin": 0, "has_password": True, "name": "a"}],
        "credentials": {"user": "***", "keys": ["***", None]},
        "next": "https://example.org/a?page=2&token=***#end",
        "text": '{"api_key": "***", "pin": 0, "a": 1}',
    }


def test_headers_of_an_answer_hold_none() -> None:
    headers = {"X-Csrf-Token": [S], "Location": [f"/a?session_id={S}&b=1"], "ETag": ['"1"'], "Authorization": [S]}
    assert expectation({}, {"headers": headers})["httpResponse"]["headers"] == {
        "X-Csrf-Token": ["***"],
        "Location": ["/a?session_id=***&b=1"],
        "ETag": ['"1"'],
    }


def test_json_of_a_request_meets_any_secret() -> None:
    body = {"type": "JSON", "json": {"user": "a", "password": S, "pin": 1, "empty_token": "", "at": f"/?token={S}"}}
    kept = {"user": "a", "password": ANY_TEXT, "pin": ANY_NUMBER, "empty_token": "", "at": ANY_TEXT}
    assert expectation({"body": body}, {})["httpRequest"]["body"] == {"type": "JSON", "json": kept}


@pytest.mark.parametrize(
    "body",
    [
        f"user=a&password={S}",
        {"type": "STRING", "string": f"user=a&password={S}", "contentType": "application/x-www-form-urlencoded"},
        {"type": "PARAMETERS", "parameters": {"user": ["a"], "password": [S]}},
    ],
)
def test_a_form_and_a_query_meet_any_secret(body: Any) -> None:
    asked = {"body": body, "queryStringParameters": {"api_key": [S], "page": ["2"]}}
    found = expectation(asked, {"body": f"user=a&password={S}"})
    assert found["httpRequest"]["queryStringParameters"] == {"api_key": [".*"], "page": ["2"]}
    assert found["httpRequest"]["body"] == {"type": "PARAMETERS", "parameters": {"user": ["a"], "password": [".*"]}}
    assert found["httpResponse"]["body"] == "user=a&password=***"


def test_a_text_of_another_kind_with_a_secret_is_met_by_any() -> None:
    assert "body" not in expectation({"body": f"<a> token={S} </a>"}, {})["httpRequest"]
    assert expectation({"body": "<a> b=c </a>"}, {})["httpRequest"]["body"] == "<a> b=c </a>"


def test_requests_that_differ_by_their_secrets_alone_are_one_whose_answers_come_in_their_order() -> None:
    recorded = [
        {"httpRequest": {"path": "/a", "body": f"password={secret}"}, "httpResponse": {"statusCode": status}}
        for secret, status in (("wrong", 401), (S, 200))
    ]
    found = mock_recording.expectations(recorded)
    assert [(one["httpResponse"]["statusCode"], "times" in one) for one in found] == [(401, True), (200, False)]
