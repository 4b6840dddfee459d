"""Text without what speaks to a terminal: colours, cursor, titles (ECMA-48, of 7 bits)."""

from __future__ import annotations

import re

LONGEST = 4096  #: bytes of a sequence; what is longer is none
_STRING = rb"[\]PX^_][^\x07\x1b\n]*"  # a title and its like, up to BEL or ESC \
_CONTROL = rb"\[[0-?]*[ -/]*"  # a colour, a move of the cursor, up to its last byte
_SEQUENCE = re.compile(rb"\x1b(?:" + _CONTROL + rb"[@-~]|" + _STRING + rb"(?:\x07|\x1b\\)|[ -/]*[0-OQ-WYZ\\`-~])|\x1b")
_BEGUN = re.compile(rb"\x1b(?:" + _CONTROL + rb"|" + _STRING + rb"\x1b?|[ -/]*)?\Z")


class Plain:
    """Leaves escape sequences out of a stream of bytes, also where one is split over chunks."""

    def __init__(self) -> None:
        self._held = b""

    def feed(self, chunk: bytes) -> bytes:
        """What can be told by now; the beginning of a sequence waits for its end."""
        data = self._held + chunk
        begun = _BEGUN.search(data)
        end = begun.start() if begun and len(data) - begun.start() <= LONGEST else len(data)
        self._held = data[end:]
        return _SEQUENCE.sub(b"", data[:end])

    def flush(self) -> bytes:
        """The rest, at the stream's end."""
        rest, self._held = self._held, b""
        return _SEQUENCE.sub(b"", rest)
