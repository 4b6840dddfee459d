"""What went wrong and what to do about it: one class each, two lines to the user, never a traceback."""

from __future__ import annotations

import errno
from typing import ClassVar, Optional


class NoxlibError(Exception):
    """A failure that the user is told of in two lines.

    Args:
        what: What happened, one line.
        todo: What to do about it, one line.
        cause: The record's ``cause`` (see ``noxlib.plan.Outcome``), if there is one.
    """

    outcome: ClassVar[str] = "error"

    def __init__(self, what: str, todo: str, *, cause: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.todo = todo
        self.cause = cause

    def __str__(self) -> str:
        return f"{self.what}\n  {self.todo}"


class ConfigError(NoxlibError):
    """The configuration holds a key, a type or a value that it may not hold."""


class UsageError(NoxlibError):
    """The command line asks for something that does not exist or cannot be."""


class EngineError(NoxlibError):
    """An engine is absent, stopped or answers with a failure; the run may be tried once more."""


class LockError(NoxlibError):
    """The dependencies cannot be resolved, or the project's own lock is out of date."""


class BuildError(NoxlibError):
    """The testground or the project itself cannot be built; the builder's own line is shown."""


class PlaceError(NoxlibError):
    """The place that was asked for cannot be had."""


class CacheError(NoxlibError):
    """The cache cannot be written or what it holds is damaged."""


class RecordError(NoxlibError):
    """A record cannot be read or written."""


class Cancelled(NoxlibError):
    """The run was cancelled by a signal."""

    outcome = "cancelled"


class SuiteFailed(NoxlibError):
    """Tests failed, or none ran; the record says which."""

    outcome = "failed"


class MachineError(NoxlibError):
    """This machine refuses something: its disk is full, a file is not the caller's, a limit is reached."""


_REFUSALS = {
    errno.ENOSPC: "free space (`df -h` shows where); NOXLIB_CACHE_DIR puts noxlib's cache on another disk",
    errno.EDQUOT: "free space (`quota` shows how much is yours); NOXLIB_CACHE_DIR puts noxlib's cache elsewhere",
    errno.EROFS: "make it writable; NOXLIB_CACHE_DIR puts noxlib's cache elsewhere",
    errno.EACCES: "make it readable and writable for you",
    errno.EPERM: "make it yours",
    errno.ENOTDIR: "a file is where a folder should be: remove it; NOXLIB_CACHE_DIR puts noxlib's cache elsewhere",
    errno.ENAMETOOLONG: "name a shorter one",
    errno.ELOOP: "see where its links lead: round in a circle",
    errno.EIO: "the disk may be failing: see the system's log",
    errno.EMFILE: "raise the limit of open files: ulimit -n",
    errno.ENFILE: "end other programs, or raise the machine's limit of open files",
    errno.ENOMEM: "free memory on this machine",
}


def of_machine(error: OSError) -> Optional[MachineError]:
    """The two lines of what the machine refused; None for what is no refusal, and so a mistake of ours."""
    todo = _REFUSALS.get(error.errno or 0)
    if todo is None:
        return None
    at = f"{error.filename!s:.300}: " if error.filename is not None else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return MachineError(f"{at}{error.strerror}", todo, cause="disk-full" if full else "machine")
