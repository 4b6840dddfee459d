"""Chunks that come one by one, such as an engine's or a connection's, as a file to read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SIZE = 1 << 20  #: bytes read or copied at once


class Reader:
    """As much of a binary file as tarfile wants for a stream."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = b""

    def read(self, size: int) -> bytes:
        """``size`` bytes; fewer where there are no more."""
        if not self._rest:
            self._rest = next(self._chunks, b"")
            if len(self._rest) == size:  # the usual case, without a copy
                whole, self._rest = self._rest, b""
                return whole
        self._fill(size)
        wanted, self._rest = self._rest[:size], self._rest[size:]
        return wanted

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing more."""
        self._fill(1)
        return not self._rest

    def _fill(self, size: int) -> None:
        while len(self._rest) < size:
            chunk = next(self._chunks, None)
            if chunk is None:
                return
            self._rest += chunk
