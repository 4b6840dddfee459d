"""The way of a file: storage first, then the index; and back."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import BinaryIO

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from ingester.database import File
from ingester.peers import PeerError, Storage
from ingester.schemas import clean_name

PIECE = 1024 * 1024
logger = logging.getLogger(__name__)


class TooLarge(Exception):
    """The upload is larger than is allowed."""


class NotFound(Exception):
    """The owner has no such file."""


class Files:
    """The files of one owner."""

    def __init__(self, session: Session, storage: Storage, owner: str, max_bytes: int) -> None:
        self._session = session
        self._storage = storage
        self._owner = owner
        self._max_bytes = max_bytes

    def upload(self, name: str, content_type: str, content: BinaryIO) -> File:
        """Store and index a file. What cannot be indexed is deleted from the storage again.

        Raises:
            TooLarge: it is larger than is allowed; nothing was stored.
            PeerError: it could not be stored; nothing was indexed.
        """
        size, sha256 = measured(content, self._max_bytes)
        file = File(owner=self._owner, name=clean_name(name), content_type=content_type[:255], size=size, sha256=sha256)
        element = self._storage.writable()
        file.storage_element = element.id
        file.stored_as = self._storage.upload(element, file.name, file.content_type, content)
        try:
            self._session.add(file)
            self._session.commit()
        except SQLAlchemyError:
            self._undo(element.id, file.stored_as)
            raise
        logger.info("stored", extra={"file_id": file.id, "storage_element": element.id, "size": size})
        return file

    def get(self, file_id: uuid.UUID) -> File:
        """A file of the owner. Raises NotFound."""
        file = self._session.get(File, file_id)
        if file is None or file.owner != self._owner:
            raise NotFound
        return file

    def newest(self, limit: int) -> list[File]:
        found = select(File).where(File.owner == self._owner).order_by(File.created.desc(), File.id).limit(limit)
        return list(self._session.scalars(found))

    def content(self, file: File) -> AbstractContextManager[Iterator[bytes]]:
        return self._storage.content(self._storage.named(file.storage_element), file.stored_as)

    def delete(self, file_id: uuid.UUID) -> None:
        """Delete a file from the storage, then from the index: the other way it would be nobody's."""
        file = self.get(file_id)
        self._storage.delete(self._storage.named(file.storage_element), file.stored_as)
        self._session.delete(file)
        self._session.commit()
        logger.info("deleted", extra={"file_id": file_id, "storage_element": file.storage_element})

    def _undo(self, storage_element: str, stored_as: str) -> None:
        self._session.rollback()
        try:
            self._storage.delete(self._storage.named(storage_element), stored_as)
        except PeerError:
            logger.exception("left in the storage", extra={"file_id": stored_as, "storage_element": storage_element})


def measured(content: BinaryIO, max_bytes: int) -> tuple[int, str]:
    """Size and SHA-256 of a file. Raises TooLarge, before the rest is read."""
    digest, size = hashlib.sha256(), 0
    while piece := content.read(PIECE):
        size += len(piece)
        if size > max_bytes:
            raise TooLarge
        digest.update(piece)
    return size, digest.hexdigest()
