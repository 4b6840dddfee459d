"""A semaphore of so many places that holds among threads, processes and workers: locks on files of one folder."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import tempfile
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PAUSE = 0.02  # seconds between two looks for a free place
HELD = (errno.EWOULDBLOCK, errno.EACCES)  # by somebody else; the second is NFS' word


class Slots(contextlib.ContextDecorator):
    """``with slots:`` waits for one of ``count`` places and holds it; ``@slots`` does so for each call of a function.

    The kernel frees the places of a process that ends.
    """

    def __init__(self, folder: str | None, count: int) -> None:
        own = os.path.join(tempfile.gettempdir(), f"noxlib-slots-{os.getuid()}")
        self.folder = os.path.join(folder, "slots") if folder else own
        self.count = count
        self.held = threading.local()
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        if os.lstat(self.folder).st_uid != os.getuid():  # anybody may make a folder, or a link, of that name
            raise PermissionError(f"{self.folder} belongs to somebody else")

    def __enter__(self) -> Slots:  # noqa: PYI034 - typing_extensions is not there, inside
        files: list[int] = self.held.__dict__.setdefault("files", [])
        files.append(self.take())
        return self

    def __exit__(self, *exc_info: object) -> None:
        descriptor = self.held.files.pop()
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # closing is not enough: a forked child has the file open too
        os.close(descriptor)

    def take(self) -> int:
        """The descriptor of a place that was free. Raises OSError where the file system keeps no locks."""
        while True:
            for descriptor in self.open_all():
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError as error:
                    os.close(descriptor)
                    if error.errno not in HELD:
                        what = f"no file can be locked here: {error.strerror}"
                        raise OSError(error.errno, what, self.folder) from None
                else:
                    return descriptor
            time.sleep(PAUSE)

    def open_all(self) -> Iterator[int]:
        """A descriptor of each place's file, beginning elsewhere in each process."""
        for at in range(self.count):
            name = str((at + os.getpid()) % self.count)
            yield os.open(os.path.join(self.folder, name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
