"""What a storage does to its operations while it fails, as data: for faults that no network makes. Pure."""

from __future__ import annotations

import dataclasses
import errno
import os
from typing import Any, Callable

from .faults import is_number

#: What fails -> the error that an operation meets; a slow one meets none.
KINDS = {
    "down": errno.EIO,
    "slow": 0,
    "cut": errno.EIO,
    "denied": errno.EACCES,
    "full": errno.ENOSPC,
    "quota": errno.EDQUOT,
    "offline": errno.ENOMEDIUM,  # the tape library's own
}
NETWORK = ("down", "slow", "cut")  #: those that the proxy makes where there is a network before the storage
COUNTED = ("cut", "full", "quota")  #: those that come after some bytes
VALUES = {"slow": ("latency",), **dict.fromkeys(COUNTED, ("after",))}

#: Operations that read contents, by whole files.
READING = frozenset({"cat", "cat_file", "cat_ranges", "get", "get_file", "head", "tail", "read_block"})
#: Operations that write contents, by whole files.
WRITING = frozenset({"pipe", "pipe_file", "put", "put_file", "write_text"})
#: Operations that make something there without writing bytes of ours.
MAKING = frozenset({"copy", "cp_file", "mkdir", "makedirs", "touch"})
CHANGING = MAKING | {"mv", "rm", "rm_file", "rmdir", "delete"}
#: Operations that only look.
LOOKING = frozenset(
    {"ls", "info", "exists", "isfile", "isdir", "size", "sizes", "walk", "glob", "find", "du", "checksum", "ukey"}
    | {"created", "modified", "expand_path", "sign"}
)


@dataclasses.dataclass
class Fault:
    """One fault while it holds. Raises ValueError for one that there is not, and for values that make no sense."""

    kind: str
    after: int = 0  #: bytes that still go through
    latency: float = 0.5  #: seconds by which each operation comes later

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a storage cannot fail by {self.kind!r}; there are {', '.join(KINDS)}")
        if type(self.after) is not int or self.after < 0:
            raise ValueError(f"after must be a whole number of bytes, found {self.after!r}")
        if not is_number(self.latency) or self.latency < 0:
            raise ValueError(f"latency must be a number of 0 or more, found {self.latency!r}")

    def error(self, path: str = "") -> OSError:
        """What an operation meets; a subclass of OSError where Python has one, as PermissionError."""
        number = KINDS[self.kind]
        return OSError(number, os.strerror(number), *([path] if path else []))

    def meet(self, operation: str, path: str, pause: Callable[[float], object]) -> None:
        """Let one operation meet it: raises OSError, or takes its time by ``pause(seconds)``."""
        contents = operation in READING | WRITING | CHANGING or operation == "open"
        if self.kind == "slow":
            pause(self.latency)
        elif (
            self.kind == "down"
            or (self.kind == "denied" and contents)
            or (self.kind in COUNTED and operation in MAKING and not self.after)
        ):
            raise self.error(path)

    @property
    def counted(self) -> bool:
        """Whether it comes in the middle of a transfer."""
        return self.kind in COUNTED

    def passing(self, size: int, *, writing: bool) -> int:
        """How many of so many bytes still go through."""
        if self.kind == "cut" or writing:
            passed = min(size, self.after)
            self.after -= passed
            return passed
        return size


def fault(kind: str, values: dict[str, Any]) -> Fault:
    """The fault of a kind with the values that a test gives; raises ValueError for one that it does not have."""
    known = VALUES.get(kind, ())
    for name in values if kind in KINDS else ():
        if name not in known:
            raise ValueError(f"the fault {kind} has no {name!r}; it has {', '.join(known) or 'no values'}")
    return Fault(kind, **values)


class Counted:
    """A file that was opened while a counted fault holds: what is too much does not go through."""

    def __init__(self, file: Any, fault: Fault, path: str) -> None:
        self._file, self._fault, self._path = file, fault, path

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Counted:  # noqa: PYI034 - Self is typing_extensions' in Python 3.9
        self._file.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._file.__exit__(*error)

    def __iter__(self) -> Any:
        return iter(self.readline, self._file.read(0))

    def write(self, data: Any) -> int:
        passed = self._fault.passing(len(data), writing=True)
        self._file.write(data[:passed])
        if passed < len(data):
            raise self._fault.error(self._path)
        return passed

    def read(self, size: int = -1) -> Any:
        return self._passed(self._file.read(size))

    def readline(self, *size: int) -> Any:
        return self._passed(self._file.readline(*size))

    def readinto(self, buffer: Any) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def _passed(self, data: Any) -> Any:
        if self._fault.passing(len(data), writing=False) < len(data):
            raise self._fault.error(self._path)
        return data
