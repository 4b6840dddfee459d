"""What goes over the wire: our own answers, and those of the peers."""

from __future__ import annotations

import re
import uuid
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

LONGEST_NAME = 255  #: bytes, as most file systems have it
_UNWANTED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def clean_name(name: str) -> str:
    """A file's name without folders and control characters, short enough for any file system; never empty.

    >>> clean_name("../../etc/passwd")
    'passwd'
    """
    last = re.split(r"[/\\]", name)[-1]
    short = _UNWANTED.sub("", last).encode()[:LONGEST_NAME].decode(errors="ignore").strip()
    return short if short.strip(".") else "unnamed"


class FileRead(BaseModel):
    """A file in the index."""

    model_config = ConfigDict(from_attributes=True)

    id: uuid.UUID
    name: str = Field(max_length=LONGEST_NAME)
    content_type: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    storage_element: str
    created: datetime


class Health(BaseModel):
    """Whether the service can do its work, and each thing that it needs for it."""

    status: Literal["ok", "unavailable"]
    parts: dict[str, bool] = {}


class Token(BaseModel):
    """The admin module's answer to POST /api/auth/token."""

    access_token: str = Field(min_length=1)
    expires_in: int = Field(gt=0)  #: seconds


class StorageElement(BaseModel):
    """A place that keeps files."""

    id: str
    url: str = Field(pattern=r"^https?://")
    mode: Literal["rw", "ro"]


class StorageElements(BaseModel):
    """The admin module's answer to GET /api/storage-elements."""

    items: list[StorageElement]


class Stored(BaseModel):
    """A storage element's answer to POST /api/v1/files/upload."""

    file_id: str = Field(min_length=1)
