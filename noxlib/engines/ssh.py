"""The system's OpenSSH: one connection to a host, over which commands and files go."""

from __future__ import annotations

import contextlib
import os
import shlex
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Optional

from noxlib.engines import ssh_errors
from noxlib.engines.process import Completed
from noxlib.engines.ssh_master import CHUNK, Master, close, end
from noxlib.engines.ssh_target import Target, parse
from noxlib.errors import EngineError
from noxlib.ledger import state_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from typing_extensions import Self

__all__ = ["Connection", "Target", "greets", "parse"]

CONNECT_SECONDS = 20.0
CALL_SECONDS = 120.0  #: for a short command


def greets(host: str, port: int, patience: float = 1.0) -> bool:
    """Whether an SSH server greets at an address. ``patience``: seconds that it may take once it is connected to."""
    try:
        with socket.create_connection((host, port), timeout=1) as connection:
            connection.settimeout(patience)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


class Connection:
    """One multiplexed connection. A context manager; also ``open`` and ``close``, both of which may be repeated.

    Args:
        target: Whom to reach.
        config: An ssh configuration; default: ``NOXLIB_SSH_CONFIG``, else ssh's own files.
        seconds: For the connection to come about.
        known_hosts: Where new hosts' keys are kept; default: a file in noxlib's state folder.
    """

    def __init__(
        self,
        target: Target,
        *,
        config: Optional[Path] = None,
        seconds: float = CONNECT_SECONDS,
        known_hosts: Optional[Path] = None,
    ) -> None:
        self.target = target
        self.config = config
        self.ready: Optional[float] = None  #: seconds that the connection took
        self._seconds = seconds
        self._known_hosts = known_hosts or state_folder() / "known_hosts"
        self._master: Optional[Master] = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._master is not None and self._master.alive

    def open(self) -> None:
        """Connect, unless that is done.

        Raises:
            PlaceError: The host is unknown, refuses the keys, or its own key has changed.
            EngineError: Nobody answers, or there is no ssh here.
        """
        if self._master is None:
            began = time.monotonic()
            self._master = Master(self.target, self.config, self._known_hosts, self._seconds)
            self.ready = time.monotonic() - began

    def close(self) -> None:
        """End the connection, and with it all that still runs on it."""
        if self._master is not None:
            self._master.close()
            self._master = None

    def run(
        self,
        argv: Sequence[str],
        *,
        stdin: Optional[IO[bytes]] = None,
        check: bool = True,
        timeout: float = CALL_SECONDS,
    ) -> Completed:
        """Run a command there and return what it printed.

        Args:
            argv: Program and arguments; each is quoted for the shell that sshd runs.
            stdin: A file of this machine for its standard input; default: none.
            check: Raise if it ends with anything but 0.
            timeout: Seconds after which it is given up.

        Raises:
            PlaceError: The connection is lost.
            EngineError: It took longer than ``timeout`` or, with ``check``, failed.
        """
        try:
            done = subprocess.run(
                self.argv(argv),
                stdin=subprocess.DEVNULL if stdin is None else stdin,
                capture_output=True,
                timeout=timeout,
                start_new_session=True,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            what = f"{argv[0]} on {self.target} took more than {timeout:g} s"
            raise EngineError(what, "see how busy the machine and the way to it are") from error
        texts = (data.decode("utf-8", "replace") for data in (done.stdout, done.stderr))
        completed = Completed(done.returncode, *texts)
        self._check(argv, completed, check=check)
        return completed

    def feed(self, argv: Sequence[str], chunks: Iterable[bytes], *, through: Sequence[str] = ()) -> None:
        """Run a command there with a stream for its standard input, which goes ``through`` a program here first.

        Raises:
            PlaceError: The connection is lost.
            EngineError: The command failed.
        """
        with tempfile.TemporaryFile() as errors, self.start(argv, errors=errors) as process:
            with contextlib.suppress(BrokenPipeError), _filter(through, process.stdin) as pipe:  # its words say why
                for chunk in chunks:
                    pipe.write(chunk)
                pipe.flush()
            close(process.stdin)
            self._check(argv, Completed(process.wait(), "", _text(errors)), check=True)

    def fetch(self, argv: Sequence[str]) -> Iterator[bytes]:
        """What a command there writes to its standard output, in chunks as they come.

        Raises:
            PlaceError: The connection is lost.
            EngineError: The command failed.
        """
        with tempfile.TemporaryFile() as errors, self.start(argv, errors=errors) as process:
            close(process.stdin)
            while chunk := os.read(process.stdout.fileno(), CHUNK):
                yield chunk
            self._check(argv, Completed(process.wait(), "", _text(errors)), check=True)

    @contextlib.contextmanager
    def start(self, argv: Sequence[str], *, errors: Optional[IO[bytes]] = None) -> Iterator[Any]:
        """A command there, as a ``subprocess.Popen`` with pipes; it is ended when the block ends.

        ``errors`` takes its standard error; default: a pipe, which somebody must read.
        """
        process = subprocess.Popen(
            self.argv(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if errors is None else errors,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            end(process)

    def argv(self, argv: Sequence[str], *, terminal: bool = False) -> tuple[str, ...]:
        """The command of this machine that runs a command there, for those who start it themselves.

        Raises:
            PlaceError: The connection is lost.
        """
        if self._master is None or not self._master.alive:
            raise ssh_errors.lost(self.target, self._said())
        return (*self._master.argv(*(("-tt",) if terminal else ())), shlex.join(argv))

    def _said(self) -> str:
        return self._master.said() if self._master is not None else ""

    def _check(self, argv: Sequence[str], done: Completed, *, check: bool) -> None:
        if done.returncode != 0 and not self.alive:
            raise ssh_errors.lost(self.target, done.stderr or self._said())
        if check and done.returncode != 0:
            said = done.stderr or done.stdout
            raise ssh_errors.failed(self.target, shlex.join(argv), done.returncode, said)


@contextlib.contextmanager
def _filter(argv: Sequence[str], sink: IO[bytes]) -> Iterator[IO[bytes]]:
    """Where to write so that a program of this machine passes it on to ``sink``; without a program, ``sink``."""
    if not argv:
        yield sink
        return
    with subprocess.Popen(list(argv), stdin=subprocess.PIPE, stdout=sink, start_new_session=True) as program:
        assert program.stdin is not None
        try:
            yield program.stdin
        finally:
            close(program.stdin)


def _text(stream: IO[bytes]) -> str:
    stream.seek(0)
    return stream.read().decode("utf-8", "replace")
