"""What all tests share: settings, and the tokens of callers."""

from __future__ import annotations

import time
from typing import Any, Callable

import hypothesis
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from ingester.settings import Settings

hypothesis.settings.register_profile(  # a busy machine is no failure
    "patient", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("patient")

Make = Callable[..., str]
SCOPES = "files:read files:write"


@pytest.fixture(scope="session")
def key() -> rsa.RSAPrivateKey:
    """The admin module's key: it signs what callers show us."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def public_key(key: rsa.RSAPrivateKey) -> str:
    """Its public half, as PEM."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, form).decode()


@pytest.fixture(scope="session")
def make_token(key: rsa.RSAPrivateKey) -> Make:
    """Make a caller's token; claims that are None are left out."""

    def make(signed_by: Any = key, algorithm: str = "RS256", **claims: Any) -> str:
        usual = {"sub": "alice", "aud": "ingester", "exp": time.time() + 600, "scope": SCOPES}
        given = {name: claim for name, claim in {**usual, **claims}.items() if claim is not None}
        return jwt.encode(given, signed_by, algorithm)

    return make


@pytest.fixture
def authorization(make_token: Make) -> dict[str, str]:
    """The headers of a caller who may do everything."""
    return {"Authorization": f"Bearer {make_token()}"}


@pytest.fixture(scope="session")
def settings(public_key: str) -> Settings:
    """Settings whose peers are nowhere: a unit test that asks one fails."""
    return Settings(
        database_url="sqlite://",
        redis_url="redis://cache.invalid",
        admin_url="http://admin.test",
        jwt_public_key=public_key,
        max_upload_bytes=1000,
        log_format="text",
    )
