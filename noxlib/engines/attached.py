"""The output of a container as it comes: the engine's stream, its frame headers taken off, read against a deadline."""

from __future__ import annotations

import os
import select
import struct
from typing import Any, Optional

HEADER = struct.Struct(">BxxxL")  #: stream number, length: engine API, "attach", stream format
CHUNK = 64 * 1024


class Frames:
    """Takes the headers off a multiplexed stream; chunks may be cut anywhere, in a header too."""

    def __init__(self) -> None:
        self._head = b""
        self._left = 0

    def payload(self, data: bytes) -> bytes:
        """What the program wrote, of stdout and stderr alike, in the order in which the engine sent it."""
        parts = []
        position = 0
        while position < len(data):
            if self._left:
                part = data[position : position + self._left]
                parts.append(part)
                self._left -= len(part)
                position += len(part)
                continue
            wanted = HEADER.size - len(self._head)
            self._head += data[position : position + wanted]
            position += wanted
            if len(self._head) == HEADER.size:
                self._left = HEADER.unpack(self._head)[1]
                self._head = b""
        return b"".join(parts)


class Attached:
    """An attached container's output. Attach before start, and nothing is lost."""

    def __init__(self, sock: Any) -> None:
        self._owner = sock  # the SDK ties the connection's life to this object
        self._socket = getattr(sock, "_sock", sock)
        self._frames = Frames()

    def read(self, timeout: float) -> Optional[bytes]:
        """The next output; ``None``: none came within ``timeout`` seconds; ``b""``: the end.

        Raises:
            OSError: The connection to the engine broke.
        """
        data = self._receive(max(timeout, 0.001))  # 0 would mean: do not block at all
        if not data:
            return data
        return self._frames.payload(data) or None  # a header alone is no output

    def close(self) -> None:
        self._owner.close()
        self._socket.close()  # the owner only looks at it

    def _receive(self, timeout: float) -> Optional[bytes]:
        process = getattr(self._socket, "proc", None)
        if process is not None:  # the SDK's ssh connection: a pipe of the ssh command that only looks like a socket
            ready, _, _ = select.select([process.stdout], [], [], timeout)
            return os.read(process.stdout.fileno(), CHUNK) if ready else None
        self._socket.settimeout(timeout)
        try:
            data: bytes = self._socket.recv(CHUNK)
        except OSError as error:
            if _is_timeout(error):
                return None
            raise
        return data


def _is_timeout(error: OSError) -> bool:
    # socket.timeout is TimeoutError from Python 3.10 on, another class before
    return isinstance(error, TimeoutError) or type(error).__name__ == "timeout"
