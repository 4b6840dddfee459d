"""Made-up data that is valid: only what a test is about is said in it."""

from __future__ import annotations

from polyfactory.factories.pydantic_factory import ModelFactory

from ingester.schemas import FileRead, StorageElement, StorageElements, Stored, Token


class FileReadFactory(ModelFactory[FileRead]):
    """Files in the index."""


class StorageElementFactory(ModelFactory[StorageElement]):
    """Storage elements that take files."""

    mode = "rw"
    url = "http://storage.test"


class StorageElementsFactory(ModelFactory[StorageElements]):
    """The admin module's list, of one."""

    @classmethod
    def items(cls) -> list[StorageElement]:
        return [StorageElementFactory.build()]


class StoredFactory(ModelFactory[Stored]):
    """What a storage element answers to an upload."""


class TokenFactory(ModelFactory[Token]):
    """Tokens that hold for an hour."""

    expires_in = 3600
