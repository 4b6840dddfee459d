"""Content as independent zstd frames: packed, checked and unpacked side by side, and readable from the middle.

Frames one after the other are one stream to every reader of zstd (RFC 8878, section 3), so to ``docker load`` as well.
Each is packed by itself, so that the bytes do not depend on how many processors there were.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Callable, TypeVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Future

SIZE = 8 << 20  #: bytes of content in a frame
LEVEL = 1  #: of zstd: half of the time that 3 takes, for 15 % more bytes
_ALREADY_PACKED = 12 << 20  # more than a frame of noise takes
_WORKERS = 4
_own = threading.local()  # a compressor is no thread's but one
T = TypeVar("T")
U = TypeVar("U")


class Frame(msgspec.Struct, frozen=True, array_like=True):
    """One frame of a file."""

    length: int  #: bytes in the file
    size: int  #: bytes of content
    sha256: str  #: of the bytes in the file, hexadecimal


def pack(content: bytes, level: int = LEVEL) -> tuple[Frame, bytes]:
    """One frame, with the checksum of its content and its size in its header; at level 0 the content as it is."""
    data: bytes = _compressor().compress(content) if level else content
    return Frame(len(data), len(content), hashlib.sha256(data).hexdigest()), data


def unpack(frame: Frame, data: bytes, level: int = LEVEL) -> bytes:
    """The content of a frame, in no more memory than it says.

    Raises:
        ValueError: It is not that frame, or no frame at all.
    """
    import zstandard  # noqa: PLC0415 - only where there is an archive

    if hashlib.sha256(data).hexdigest() != frame.sha256:
        raise ValueError("a part is not what it was when the archive was made")
    if not level:
        if len(data) != frame.size:
            raise ValueError("a part has another size than it says")
        return data
    try:
        if not 0 <= frame.size == zstandard.frame_content_size(data):  # read first: so much is allocated
            raise ValueError("a part has another size than it says")
        content: bytes = _decompressor().decompress(data, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    return content


def unpack_tail(data: bytes, digest: bytes, limit: int) -> bytes:
    """The content of one frame of which nothing but its SHA-256 is known; it may not be packed. Raises ValueError."""
    import zstandard  # noqa: PLC0415 - as above

    if not data.startswith(zstandard.FRAME_HEADER):
        return unpack(Frame(len(data), len(data), digest.hex()), data, 0)
    try:
        size = zstandard.frame_content_size(data)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from error
    if not 0 <= size <= limit:
        raise ValueError("its description has no size, or too large a one")
    return unpack(Frame(len(data), size, digest.hex()), data)


def sound(frame: Frame) -> bool:
    """Whether what is told of a frame can be true."""
    return 0 < frame.length <= _ALREADY_PACKED and 0 <= frame.size <= SIZE and len(frame.sha256) == 64  # noqa: PLR2004


def library() -> str:
    """The version of zstd, of which the bytes of a frame depend: ``1.5.7``."""
    import zstandard  # noqa: PLC0415 - as above

    return ".".join(map(str, zstandard.ZSTD_VERSION))


def side_by_side(call: Callable[[T], U], items: Iterable[T]) -> Iterator[U]:
    """What ``call`` makes of each item, in their order, a few at once; no more are taken than memory has room for."""
    workers = min(_WORKERS, os.cpu_count() or 1)
    waiting: deque[Future[U]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(call, item))
                if len(waiting) > workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


def _compressor() -> Any:
    import zstandard  # noqa: PLC0415 - as above

    if not hasattr(_own, "compressor"):
        _own.compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True, write_content_size=True)
    return _own.compressor


def _decompressor() -> Any:
    import zstandard  # noqa: PLC0415 - as above

    if not hasattr(_own, "decompressor"):
        _own.decompressor = zstandard.ZstdDecompressor()
    return _own.decompressor
