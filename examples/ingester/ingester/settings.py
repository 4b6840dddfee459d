"""Settings of the service, all from its environment."""

from __future__ import annotations

from typing import Literal

from pydantic import SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """``DATABASE_URL``, ``REDIS_URL`` and so on: a field's name in capitals."""

    database_url: str
    redis_url: str
    admin_url: str  #: the admin module, which gives out tokens and knows the storage elements
    client_id: str = "ingester"
    client_secret: SecretStr = SecretStr("")
    jwt_public_key: str  #: PEM; callers' tokens are signed by its private key
    jwt_audience: str = "ingester"
    peer_timeout: float = 5.0  #: seconds that a peer has for an answer
    cache_timeout: float = 1.0  #: seconds that the cache has
    storage_elements_seconds: int = 60  #: how long the list of storage elements is believed
    max_upload_bytes: int = 100 * 1024 * 1024
    log_format: Literal["json", "text"] = "json"
