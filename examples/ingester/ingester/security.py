"""Who calls, and what for: JSON web tokens signed by the admin module."""

from __future__ import annotations

from typing import Annotated, Optional

import jwt
from fastapi import Depends, HTTPException, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from pydantic import BaseModel

from ingester.settings import Settings

ALGORITHM = "RS256"  #: the only one: a token does not choose how it is checked
Credentials = Annotated[Optional[HTTPAuthorizationCredentials], Depends(HTTPBearer(auto_error=False))]


class Caller(BaseModel):
    """Whom a token speaks for."""

    subject: str
    scopes: frozenset[str]


def decode(token: str, settings: Settings) -> Caller:
    """The caller that a token names.

    Raises:
        jwt.InvalidTokenError: it is expired, not for us, not signed by the admin module, or lacks a claim.
    """
    claims = jwt.decode(
        token,
        settings.jwt_public_key,
        algorithms=[ALGORITHM],
        audience=settings.jwt_audience,
        options={"require": ["sub", "exp", "aud"]},
    )
    return Caller(subject=claims["sub"], scopes=frozenset(str(claims.get("scope", "")).split()))


def calling(request: Request, needed: SecurityScopes, credentials: Credentials) -> Caller:
    """A dependency: the caller, who must have all scopes that are needed."""
    try:
        caller = decode(credentials.credentials if credentials else "", request.app.state.settings)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, f"no valid token: {error}", {"WWW-Authenticate": "Bearer"}) from error
    lacking = sorted(set(needed.scopes) - caller.scopes)
    if lacking:
        raise HTTPException(403, f"the token lacks the scope {lacking[0]}")
    return caller
