"""A program in the background: what it prints goes to a log as it comes, secrets masked before they are written."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Optional

from noxlib.engines import groups, process
from noxlib.engines.output import Output

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class Background:
    """A program that runs, and the thread that keeps its output."""

    def __init__(self, running: subprocess.Popen[bytes], output: Output) -> None:
        self._running = running
        self._output = output
        self._keeping = threading.Thread(target=self._keep, daemon=True)
        self._keeping.start()

    def poll(self) -> Optional[int]:
        """How it ended, once all that it printed is in the log; None before."""
        if self._running.poll() is None:
            return None
        self._keeping.join()
        return self._running.returncode

    def stop(self) -> None:
        """Kill it, with all that it started."""
        groups.end(self._running)
        self._keeping.join()

    def _keep(self) -> None:
        with contextlib.suppress(OSError), self._output:
            process.copy(self._running, self._output, None)
        # After a full disk: a program whose output nobody takes would wait for ever.
        process.copy(self._running, Output(None, echo=False), None)


@contextlib.contextmanager
def started(
    argv: Sequence[str], *, env: Mapping[str, str], log: Path, secrets: Sequence[str] = ()
) -> Iterator[Background]:
    """Start a program in a session of its own; leaving the block kills what is left of it.

    Args:
        argv: Program and arguments; no shell is involved.
        env: Its whole environment.
        log: File that its output (stdout and stderr in order) is appended to.
        secrets: Values that never reach the log: who is killed meanwhile leaves none there.

    Raises:
        EngineError: the program is not there.
        OSError: the log cannot be opened.
    """
    with process.started(argv, None, env) as running:
        one = Background(running, Output(log, echo=False, secrets=secrets))
        try:
            yield one
        finally:
            one.stop()
