"""The endpoints."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response, Security, UploadFile
from fastapi.responses import StreamingResponse
from redis import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from ingester.files import Files
from ingester.schemas import FileRead, Health
from ingester.security import Caller, calling

router = APIRouter(prefix="/api/v1")


def opened(request: Request, caller: Annotated[Caller, Depends(calling)]) -> Iterator[Files]:
    """A dependency: the caller's files, in a session of the database of their own."""
    state = request.app.state
    with state.sessions() as session:
        yield Files(session, state.storage, caller.subject, state.settings.max_upload_bytes)


Readable = Annotated[Files, Security(opened, scopes=["files:read"])]
Writable = Annotated[Files, Security(opened, scopes=["files:write"])]


@router.post("/files", status_code=201, response_model=FileRead)
def upload(file: UploadFile, files: Writable) -> object:
    return files.upload(file.filename or "", file.content_type or "application/octet-stream", file.file)


@router.get("/files", response_model=list[FileRead])
def newest(files: Readable, limit: Annotated[int, Query(ge=1, le=100)] = 20) -> object:
    return files.newest(limit)


@router.get("/files/{file_id}", response_model=FileRead)
def one(file_id: uuid.UUID, files: Readable) -> object:
    return files.get(file_id)


@router.get("/files/{file_id}/content")
def content(file_id: uuid.UUID, files: Readable) -> StreamingResponse:
    file = files.get(file_id)
    opening = files.content(file)
    pieces = opening.__enter__()  # a peer's error is told before the first byte of our own answer

    def sent() -> Iterator[bytes]:
        try:
            yield from pieces
        finally:
            opening.__exit__(None, None, None)

    return StreamingResponse(sent(), media_type=file.content_type, headers={"Content-Length": str(file.size)})


@router.delete("/files/{file_id}", status_code=204)
def delete(file_id: uuid.UUID, files: Writable) -> None:
    files.delete(file_id)


@router.get("/health/live")
def live() -> Health:
    """Whether this process answers."""
    return Health(status="ok")


@router.get("/health/ready")
def ready(request: Request, response: Response) -> Health:
    """Whether the index answers, without which there is no work; the others are told, and may be down for a while."""
    parts = {"database": _database(request), "cache": _cache(request), "storage": request.app.state.storage.alive()}
    response.status_code = 200 if parts["database"] else 503
    return Health(status="ok" if parts["database"] else "unavailable", parts=parts)


def _database(request: Request) -> bool:
    try:
        with request.app.state.sessions() as session:
            return bool(session.execute(text("SELECT 1")).scalar())
    except SQLAlchemyError:
        return False


def _cache(request: Request) -> bool:
    try:
        return bool(request.app.state.redis.ping())
    except RedisError:
        return False
