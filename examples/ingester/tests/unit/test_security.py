"""Callers and their tokens."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from ingester.security import decode
from ingester.settings import Settings
from tests.conftest import Make

SCOPES = st.frozensets(st.text("abcdefg:", min_size=1))


def test_a_token_names_its_caller(make_token: Make, settings: Settings) -> None:
    caller = decode(make_token(sub="bob", scope="files:read more"), settings)
    assert (caller.subject, caller.scopes) == ("bob", {"files:read", "more"})


@given(subject=st.text(min_size=1), scopes=SCOPES)
def test_what_was_signed_is_what_is_read(make_token: Make, settings: Settings, subject: str, scopes: Any) -> None:
    caller = decode(make_token(sub=subject, scope=" ".join(scopes)), settings)
    assert (caller.subject, caller.scopes) == (subject, scopes)


@given(position=st.integers(min_value=0), letter=st.sampled_from("ABCXYZ019_-."))
def test_no_letter_of_a_token_can_be_changed(make_token: Make, settings: Settings, position: int, letter: str) -> None:
    token = make_token(exp=2_000_000_000_000)
    at = position % (len(token) - 1)  # the last letter has bits that say nothing
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        with pytest.raises(jwt.InvalidTokenError):
            decode(changed, settings)


@pytest.mark.parametrize(
    ("claims", "error"),
    [
        ({"exp": time.time() - 10}, jwt.ExpiredSignatureError),
        ({"aud": "somebody"}, jwt.InvalidAudienceError),
        ({"nbf": time.time() + 600}, jwt.ImmatureSignatureError),
        ({"sub": None}, jwt.MissingRequiredClaimError),
        ({"exp": None}, jwt.MissingRequiredClaimError),
        ({"aud": None}, jwt.MissingRequiredClaimError),
    ],
)
def test_a_token_that_does_not_hold_is_refused(
    make_token: Make, settings: Settings, claims: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        decode(make_token(**claims), settings)


def test_a_token_of_another_key_is_refused(make_token: Make, settings: Settings) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with pytest.raises(jwt.InvalidSignatureError):
        decode(make_token(signed_by=other), settings)


def test_a_token_does_not_choose_how_it_is_checked(make_token: Make, settings: Settings) -> None:
    _, claims, _ = make_token().split(".")
    for algorithm in ("none", "HS256"):
        head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=").decode()
        with pytest.raises(jwt.InvalidAlgorithmError):
            decode(f"{head}.{claims}.", settings)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer no.real.token"}, {"Authorization": "Basic YTpi"}])
def test_without_a_valid_token_nothing_is_answered(api: TestClient, headers: dict[str, str]) -> None:
    answer = api.get("/api/v1/files", headers=headers)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")


def test_who_may_read_may_not_write(api: TestClient, make_token: Make) -> None:
    headers = {"Authorization": f"Bearer {make_token(scope='files:read')}"}
    assert api.get("/api/v1/files", headers=headers).status_code == 200
    answer = api.post("/api/v1/files", headers=headers, files={"file": ("a.txt", b"x")})
    assert (answer.status_code, answer.json()) == (403, {"detail": "the token lacks the scope files:write"})


def test_the_health_is_everybodys(api: TestClient) -> None:
    assert api.get("/api/v1/health/live").json()["status"] == "ok"
