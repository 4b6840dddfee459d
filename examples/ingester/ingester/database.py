"""The index of files in PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Engine, MetaData, String, create_engine, func, make_url
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {"ix": "ix_%(column_0_label)s", "pk": "pk_%(table_name)s"}


class Base(DeclarativeBase):
    """All tables; indexes and keys have names that a migration can rely on."""

    metadata = MetaData(naming_convention=NAMES)


class File(Base):
    """One file that a storage element keeps for an owner."""

    __tablename__ = "files"

    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    owner: Mapped[str] = mapped_column(String(255), index=True)
    name: Mapped[str] = mapped_column(String(255))
    content_type: Mapped[str] = mapped_column(String(255))
    size: Mapped[int] = mapped_column(BigInteger)
    sha256: Mapped[str] = mapped_column(String(64))
    storage_element: Mapped[str] = mapped_column(String(255))
    stored_as: Mapped[str] = mapped_column(String(255))  #: its id in the storage element
    created: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())


def connect(url: str) -> Engine:
    """An engine for ``postgresql://…``, which SQLAlchemy takes for psycopg 2; we have psycopg 3."""
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    return create_engine(parsed, pool_pre_ping=True)
