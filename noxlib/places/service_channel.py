"""Through a socket in the run's folder tests ask for services of their own stack to be killed, paused and restarted.

Tests have no engine: a container of theirs that had one could do anything to this machine. What they may ask for is the
table of words here, for the stack's services, by name.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import socketserver
import threading
import time
from typing import TYPE_CHECKING, Any, Callable, Optional

from noxlib.engines.docker import Docker
from noxlib.errors import NoxlibError
from noxlib.places import readiness

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines.compose import Compose
    from noxlib.places.services import Services

NAME = "services.sock"
READY_SECONDS = 120.0  #: for a service that is started again
_WORD_BYTES = 4096  #: of a line that a test sends
_FOLDERS = "/proc/self/fd"


class Channel:
    """A context manager: in its block the socket is there and answered.

    Args:
        services: Those that may be asked for.
        folder: Where the socket is made; the tests see this folder.
        restarts: Whether a service is found again that was started anew: at a free port of this machine it is not.
    """

    def __init__(self, services: Services, folder: Path, *, restarts: bool = True) -> None:
        self._restarts = restarts
        self._docker = Docker(services.docker.endpoint)  # of its own: the run waits on the other one
        self._compose = type(services.compose)(self._docker, (), services.compose.project)
        self._names = frozenset(services.stack.services)
        self._folder = folder
        self._server: Optional[_Server] = None
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        there = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            with contextlib.suppress(FileNotFoundError):
                (self._folder / NAME).unlink()
            # The folder's path may be longer than a socket's may be.
            self._server = _Server(f"{_FOLDERS}/{there}/{NAME}", _handler(self.answer))
        finally:
            os.close(there)
        threading.Thread(target=self._server.serve_forever, args=[0.05], daemon=True).start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        with contextlib.suppress(OSError):  # tests may have put something else in its place
            (self._folder / NAME).unlink()
        self._docker.close()

    def answer(self, line: bytes) -> dict[str, Any]:
        """Carry out what a line asks for; nothing but these words is understood."""
        try:
            asked = json.loads(line)
            do, service = str(asked["do"]), str(asked["service"])
        except (ValueError, KeyError, TypeError, RecursionError):
            return {"error": "it is no request"}
        if service not in self._names:
            near = difflib.get_close_matches(service, self._names, 1, 0)
            return {"unknown": f"there is no service {service!r}" + (f"; did you mean {near[0]}?" if near else "")}
        if do not in WORDS:
            return {"error": f"a service can be asked to {', '.join(WORDS)}; not to {do!r}"}
        if do in ("kill", "restart") and not self._restarts:
            return {
                "error": "once started anew it has another port of this machine; run the tests by --place container"
            }
        try:
            with self._one_at_a_time:
                WORDS[do](self._docker, self._compose, service)
        except NoxlibError as error:
            return {"error": error.what}
        return {}


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """The end of a run waits for no request."""

    daemon_threads = True
    block_on_close = False


def _handler(answer: Callable[[bytes], dict[str, Any]]) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = READY_SECONDS

        def handle(self) -> None:
            with contextlib.suppress(OSError):  # the test has gone
                said = answer(self.rfile.readline(_WORD_BYTES))
                self.wfile.write(json.dumps(said).encode() + b"\n")

    return Handler


def _container(compose: Compose, service: str) -> dict[str, Any]:
    found = compose.containers().get(service)
    if found is None:
        raise NoxlibError(f"the service {service} has no container any more", "")
    return found


def _kill(docker: Docker, compose: Compose, service: str) -> None:
    """A paused one dies of it as well, once it goes on."""
    container = _container(compose, service)["Id"]
    docker.kill(container)
    _resume(docker, compose, service)
    docker.wait(container, READY_SECONDS)


def _pause(docker: Docker, compose: Compose, service: str) -> None:
    docker.pause(_container(compose, service)["Id"])


def _resume(docker: Docker, compose: Compose, service: str) -> None:
    found = _container(compose, service)
    if found["State"].get("Paused"):
        docker.resume(found["Id"])


def _restart(docker: Docker, compose: Compose, service: str) -> None:
    if _container(compose, service)["State"].get("Running"):
        _kill(docker, compose, service)
    _restore(docker, compose, service)


def _restore(docker: Docker, compose: Compose, service: str) -> None:
    """It runs and is ready, whatever was done to it.

    One that was paused goes on where it was; the engine calls it unhealthy until it asks it the next time.
    """
    _resume(docker, compose, service)
    found = _container(compose, service)
    if found["State"].get("Running"):
        return
    docker.start(found["Id"])
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        look = readiness.look(_container(compose, service), one_shot=False)
        if look.ready or (look.running and not look.asked):  # without a health check the test looks whether it listens
            return
        if look.failed:
            raise NoxlibError(f"it {look.failed} when it was started again", "")
        time.sleep(readiness.PAUSE)
    raise NoxlibError(f"it is not ready {READY_SECONDS:.0f} s after it was started again", "")


WORDS: dict[str, Callable[[Docker, Compose, str], None]] = {
    "kill": _kill,
    "pause": _pause,
    "resume": _resume,
    "restart": _restart,
    "restore": _restore,
}
