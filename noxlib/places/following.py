"""A created container from its start to its end: output, deadline, Ctrl-C, how it ended by the engine's state."""

from __future__ import annotations

import contextlib
import shutil
import signal
import time
from typing import TYPE_CHECKING

from noxlib.engines.output import Output
from noxlib.engines.process import GRACE, STOP_SECONDS, stream
from noxlib.errors import Cancelled, EngineError
from noxlib.places.host import Command, Exit

if TYPE_CHECKING:
    from noxlib.engines.attached import Attached
    from noxlib.engines.docker import Docker, State

DRAIN_SECONDS = 10.0  #: for the engine to end a killed container's output
SIGNALLED = 128  #: an exit code above it tells of a signal


def followed(docker: Docker, container: str, command: Command) -> Exit:
    """Start a container and pass on its output until it ends or the deadline comes.

    Raises:
        EngineError: The engine fails; cause ``lost`` where it stopped answering.
    """
    attached = docker.attach(container)
    with Output(command.log, echo=command.echo, secrets=command.secrets) as output, contextlib.closing(attached):
        one = _Following(docker, container, attached, output)
        try:
            docker.start(container)
            in_time = one.follow(command.limits.timeout)
            if not in_time:
                one.stop(GRACE)
        except (KeyboardInterrupt, Cancelled):
            with contextlib.suppress(EngineError, KeyboardInterrupt):  # the first one is raised again
                one.stop(STOP_SECONDS)
            raise
    return outcome(docker.state(container), in_time=in_time)


def attended(docker: Docker, container: str, command: Command) -> Exit:
    """The docker command is the best terminal there is: raw mode, window size, keys. A person has no deadline."""
    program = "docker" if shutil.which("docker") else "podman"
    stream(
        (program, "start", "-ai", container),
        env=docker.command_environment(),
        log=command.log,
        terminal=True,
        secrets=command.secrets,
    )
    return outcome(docker.state(container), in_time=True)


def outcome(state: State, *, in_time: bool) -> Exit:
    """How a container ended.

    The kernel's out-of-memory mark stands also where only a child of the command was killed (an xdist worker); then the
    command's own exit code is what happened, and ``oom`` a fact beside it.
    """
    if not in_time:
        return Exit(state.code, "timeout", oom=state.oom)
    if state.oom and state.code == SIGNALLED + signal.SIGKILL:
        return Exit(state.code, "out-of-memory", oom=True)
    killed = SIGNALLED < state.code <= SIGNALLED + signal.NSIG
    return Exit(state.code, "signal" if killed else "exit", oom=state.oom)


class _Following:
    """A running container whose output is passed on."""

    def __init__(self, docker: Docker, container: str, attached: Attached, output: Output) -> None:
        self._docker = docker
        self._container = container
        self._attached = attached
        self._output = output

    def follow(self, seconds: float) -> bool:
        """Pass on the output until the container stands still (True) or the time is over (False)."""
        deadline = time.monotonic() + seconds
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            chunk = self._read(left)
            if chunk == b"":
                return self._docker.wait(self._container, left)
            if chunk:
                self._output.write(chunk)

    def stop(self, grace: float) -> None:
        """TERM, a while to end by itself, then KILL."""
        self._docker.kill(self._container, signal.SIGTERM)
        try:
            if self.follow(grace):
                return
        finally:
            self._docker.kill(self._container)
        self.follow(DRAIN_SECONDS)

    def _read(self, seconds: float) -> bytes | None:
        try:
            return self._attached.read(seconds)
        except OSError as error:
            raise EngineError(
                f"the engine at {self._docker.endpoint} stopped sending the output: {error.strerror or error}",
                "see whether it runs (`docker info`), then run the session again",
                cause="lost",
            ) from error
