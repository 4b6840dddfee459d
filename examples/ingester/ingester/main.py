"""The application: ``uvicorn --factory ingester.main:create_app``."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Optional

import httpx
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from sqlalchemy.orm import sessionmaker

from ingester import api, cache, database, logs
from ingester.files import NotFound, TooLarge
from ingester.peers import Admin, PeerError, Storage
from ingester.settings import Settings


def create_app(settings: Optional[Settings] = None, transport: Optional[httpx.BaseTransport] = None) -> FastAPI:
    """The application. Its settings are the environment's and its peers the network's, unless others are given."""
    settings = settings or Settings()
    logs.configure(settings.log_format)
    engine = database.connect(settings.database_url)
    redis = cache.connect(settings.redis_url, settings.cache_timeout)
    client = httpx.Client(timeout=settings.peer_timeout, transport=transport)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        client.close()
        redis.close()
        engine.dispose()

    app = FastAPI(title="ingester", lifespan=lifespan)
    app.state.settings = settings
    app.state.redis = redis
    app.state.sessions = sessionmaker(engine, expire_on_commit=False)
    app.state.storage = Storage(client, Admin(client, cache.Cache(redis), settings))
    app.include_router(api.router)
    app.add_exception_handler(PeerError, lambda _, error: _told(str(error), error.status))
    app.add_exception_handler(NotFound, lambda _, __: _told("there is no such file", 404))
    app.add_exception_handler(TooLarge, lambda _, __: _told(f"a file has at most {settings.max_upload_bytes} B", 413))
    return app


def _told(detail: str, status: int) -> JSONResponse:
    return JSONResponse({"detail": detail}, status)
