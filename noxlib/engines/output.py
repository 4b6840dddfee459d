"""Where a program's output goes, as it comes, secrets masked."""

from __future__ import annotations

import os
import sys
from typing import IO, TYPE_CHECKING, Optional

from noxlib.engines.escapes import Plain
from noxlib.secret import Masker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from typing_extensions import Self

#: Tests may write to the folders of logs: a link that they lay there is not followed, a pipe not waited for.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Output:
    """Where a program's output goes: a log file, this process' stdout, both or neither.

    Bytes stay as they are, but for the secrets among them; ``plain``, and for what speaks to a terminal.
    """

    def __init__(self, log: Optional[Path], *, echo: bool, plain: bool = False, secrets: Sequence[str] = ()) -> None:
        self._plain = Plain() if plain else None
        self._masker = Masker(secrets)
        self._log: Optional[IO[bytes]] = None
        if log is not None:
            log.parent.mkdir(parents=True, exist_ok=True)
            self._log = os.fdopen(os.open(log, _FLAGS, 0o666), "ab", buffering=0)
        self._echo = echo
        self._line_is_open = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            if self._plain is not None:
                self._pass_on(self._masker.feed(self._plain.flush()))
            self._pass_on(self._masker.flush())
        finally:
            if self._log is not None:
                self._log.close()
        if self._line_is_open:  # a program that was killed left it so; what we say begins at a line's start
            _show(b"\n")

    def write(self, chunk: bytes) -> None:
        """Pass on a chunk at once, so that a line without its end (a progress dot, a prompt) is seen as well."""
        self._pass_on(self._masker.feed(chunk if self._plain is None else self._plain.feed(chunk)))

    def _pass_on(self, chunk: bytes) -> None:
        if self._log is not None:
            self._log.write(chunk)
        if self._echo and chunk:
            _show(chunk)
            self._line_is_open = not chunk.endswith(b"\n")


def _show(chunk: bytes) -> None:
    sys.stdout.flush()
    binary = getattr(sys.stdout, "buffer", None)
    if binary is None:  # somebody replaced stdout by a text stream
        sys.stdout.write(chunk.decode("utf-8", "replace"))
    else:
        binary.write(chunk)
        binary.flush()
