"""gzip made of pieces: stored where compressing is lost labour, else compressed at level 1 on several processors."""

from __future__ import annotations

import collections
import concurrent.futures
import struct
import zlib
from typing import TYPE_CHECKING, Union

from . import cpus

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HEADER = b"\x1f\x8b\x08" + bytes(5) + b"\x04\xff"  # no name, no time; made as fast as could be, on an unknown system
END = b"\x03\x00"  # an empty last block
STORED = 65535  # bytes of a stored block, at most
GATHERED = 1 << 20  # small pieces are compressed together
WAITING = 4  # pieces a processor

Piece = Union[bytes, "concurrent.futures.Future[bytes]"]


class Gzip:
    """``with Gzip() as gzip: gzip.stream(pieces)``; its threads end with the block."""

    def __init__(self) -> None:
        self.workers = min(8, cpus.available())

    def __enter__(self) -> Gzip:  # noqa: PYI034 - typing_extensions is not there, inside
        self.pool = concurrent.futures.ThreadPoolExecutor(self.workers)
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.pool.shutdown(wait=True)

    def stream(self, pieces: Iterable[tuple[bytes, bool]]) -> Iterator[bytes]:
        """One gzip member of all pieces, each of which says whether it is worth compressing."""
        crc = size = 0
        waiting: collections.deque[Piece] = collections.deque()
        yield HEADER
        for data, worth in gathered(pieces):
            crc, size = zlib.crc32(data, crc), size + len(data)
            waiting.append(self.pool.submit(deflated, data) if worth else stored(data))
            if len(waiting) > WAITING * self.workers:
                yield done(waiting.popleft())
        while waiting:
            yield done(waiting.popleft())
        yield END + struct.pack("<II", crc, size & 0xFFFFFFFF)


def gathered(pieces: Iterable[tuple[bytes, bool]]) -> Iterator[tuple[bytes, bool]]:
    """Pieces of one kind together, up to about ``GATHERED`` bytes: headers go with what follows them or precedes."""
    held: list[bytes] = []
    length, kind = 0, True
    for data, worth in pieces:
        if held and (worth != kind or length + len(data) > GATHERED):
            yield b"".join(held), kind
            held, length = [], 0
        held.append(data)
        length, kind = length + len(data), worth
    yield b"".join(held), kind


def done(piece: Piece) -> bytes:
    return piece if isinstance(piece, bytes) else piece.result()


def deflated(data: bytes) -> bytes:
    """Blocks of level 1, not the last ones, up to the end of a byte."""
    stream = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    return stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)


def stored(data: bytes) -> bytes:
    """The same without compression (RFC 1951, 3.2.4)."""
    parts = []
    for at in range(0, len(data), STORED):
        part = data[at : at + STORED]
        parts += [struct.pack("<BHH", 0, len(part), len(part) ^ 0xFFFF), part]
    return b"".join(parts)
