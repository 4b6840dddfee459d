"""What went wrong and what to do about it: one class each, two lines to the user, never a traceback."""

from __future__ import annotations

from typing import ClassVar


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


class Cancelled(NoxlibError):  # noqa: N818 - it is no error: somebody pressed Ctrl-C
    """The run was cancelled by a signal."""

    outcome = "cancelled"
