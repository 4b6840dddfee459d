"""Locks of the kernel, which end with their process, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextlib.contextmanager
def wait_for(path: Path, what: str) -> Iterator[None]:
    """Hold a file's lock alone; after a second of waiting say that another noxlib does ``what``."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - it imports asyncio, which a warm run need not

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=1)
    except Timeout:
        print(f"waiting for another noxlib that {what} …", flush=True)
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock of ``wait_for`` if nobody has it now; tells whether."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - as above

    path.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(FileLock(path, timeout=0))
        except Timeout:
            yield False
        else:
            yield True


def share(path: Path) -> int:
    """A file handle that holds a shared lock until it is closed (filelock has none that can be shared)."""
    handle = _flock(path, fcntl.LOCK_SH)
    assert handle is not None  # a blocking call
    return handle


@contextlib.contextmanager
def if_unshared(path: Path) -> Iterator[bool]:
    """Hold alone what others ``share`` if nobody does so now; tells whether. The file may be removed inside."""
    handle = _flock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def _flock(path: Path, flags: int) -> int | None:
    """None where ``LOCK_NB`` was asked for and the lock is taken."""
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, flags)
            if os.fstat(handle).st_ino == path.stat().st_ino:
                return handle
            os.close(handle)  # it was removed and made anew while we waited
        except FileNotFoundError:
            os.close(handle)
        except OSError as error:
            os.close(handle)
            if not isinstance(error, BlockingIOError):
                raise
            return None
