"""Migrations of the database that ``DATABASE_URL`` names, or of one that the caller gives as ``database_url``."""

from __future__ import annotations

import os

from alembic import context

from ingester.database import Base, connect

engine = connect(context.config.attributes.get("database_url") or os.environ["DATABASE_URL"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Base.metadata)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
