"""Sockets in folders whose path may be longer than a socket's may be: 107 bytes on Linux."""

from __future__ import annotations

import contextlib
import os
import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DESCRIPTORS = "/proc/self/fd"


@contextlib.contextmanager
def short(path: str) -> Iterator[str]:
    """In its block the path of a socket in a short form, where the system has one."""
    folder, name = os.path.split(path)
    if not os.path.isdir(DESCRIPTORS):
        yield path
        return
    there = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"{DESCRIPTORS}/{there}/{name}"
    finally:
        os.close(there)


def connected(path: str) -> socket.socket:
    """A connection to a socket. Raises OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        with short(path) as there:
            connection.connect(there)
    except OSError:
        connection.close()
        raise
    return connection
