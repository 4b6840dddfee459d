"""The process that holds a connection open for all commands on it.

Its own session is a ``cat`` on the far side whose standard input we hold: when this process ends, however it ends, so
do the ``cat``, the connection and every command on it.
"""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Optional

from noxlib import temporary
from noxlib.engines import ssh_errors
from noxlib.engines.ssh_target import Target, configuration, own_configuration
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 64 * 1024
READY = b"noxlib-ready"
LONGEST_FOLDER = 50  #: bytes of its name; we add 22, ssh 17, and a socket's path may have 104 in all
STOP_SECONDS = 3.0  #: for an ssh of ours to end after TERM


class Master:
    """A connection that stands from ``__init__`` to ``close``.

    Raises:
        PlaceError: The host is unknown, refuses the keys, or its own key has changed.
        EngineError: Nobody answers, or there is no ssh here.
    """

    def __init__(self, target: Target, config: Optional[Path], known_hosts: Path, seconds: float) -> None:
        self._target = target
        self._known_hosts = known_hosts
        self._stack = contextlib.ExitStack()
        try:
            self.folder = self._stack.enter_context(temporary.folder(_short_folder(), "nx-"))
            self._configure(config, seconds)
            self._process = self._stack.enter_context(self._started())
            self._await_ready(time.monotonic() + 2 * seconds)
        except BaseException:
            self._stack.close()
            raise

    def close(self) -> None:
        """End the connection, and with it all that still runs on it."""
        self._stack.close()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def argv(self, *options: str) -> tuple[str, ...]:
        """The command of this machine up to the host's name; what runs there follows as one word."""
        target = self._target
        user = ("-l", target.user) if target.user else ()
        port = ("-p", str(target.port)) if target.port else ()
        return ("ssh", "-F", str(self.folder / "config"), *options, *user, *port, "--", target.host)

    def said(self) -> str:
        """What ssh has complained of."""
        with contextlib.suppress(OSError):
            return (self.folder / "errors").read_text(encoding="utf-8", errors="replace")
        return ""

    def _configure(self, config: Optional[Path], seconds: float) -> None:
        self._known_hosts.parent.mkdir(parents=True, exist_ok=True)
        text = configuration(
            self._target,
            control=self.folder / "c",
            known_hosts=self._known_hosts,
            own=config or own_configuration(os.environ),
            seconds=seconds,
        )
        (self.folder / "config").write_text(text, encoding="utf-8")

    @contextlib.contextmanager
    def _started(self) -> Iterator[subprocess.Popen[bytes]]:
        argv = (*self.argv("-o", "ControlMaster=yes"), f"echo {READY.decode()} && exec cat >/dev/null")
        with (self.folder / "errors").open("wb") as errors:
            try:
                process = subprocess.Popen(
                    argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, start_new_session=True
                )
            except FileNotFoundError as error:
                what = "the program 'ssh' is not on PATH"
                raise EngineError(what, "install the OpenSSH client (Debian: openssh-client)") from error
        try:
            yield process
        finally:
            end(process)

    def _await_ready(self, deadline: float) -> None:
        """Wait for the line that is ours; a shell's start files may say something before."""
        pipe = self._process.stdout
        assert pipe is not None
        seen = b""
        while READY not in seen:
            ready, _, _ = select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))
            chunk = os.read(pipe.fileno(), CHUNK) if ready else b""
            if not chunk:
                end(self._process)  # all that it says is said then
                said = self.said() or ("" if ready else "timed out")
                raise ssh_errors.explained(self._target, said, self._known_hosts)
            seen = (seen + chunk)[-CHUNK:]


def close(pipe: Optional[IO[bytes]]) -> None:
    """Close a pipe to or from an ssh of ours; what the other end did not read is nobody's any more."""
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Have an ssh of ours gone: by the end of its input and TERM, at last by KILL."""
    for pipe in (process.stdin, process.stdout, process.stderr):
        close(pipe)
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _short_folder() -> Optional[Path]:
    """Where the socket goes: where temporary files go, unless a socket's path would be too long there."""
    return None if len(os.fsencode(tempfile.gettempdir())) <= LONGEST_FOLDER else Path("/tmp")  # noqa: S108
