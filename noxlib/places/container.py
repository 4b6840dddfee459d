"""The place ``container``: each command in a container of its own, over a workspace that belongs to this run alone."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import time
from typing import TYPE_CHECKING, Optional

from noxlib.engines.process import GRACE, Output, stream
from noxlib.errors import Cancelled, EngineError
from noxlib.ledger import Entry, Ledger
from noxlib.places import box
from noxlib.places.files import INSIDE, copy
from noxlib.places.host import Command, Exit
from noxlib.places.overlay import Overlay, scratch_root

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines.attached import Attached
    from noxlib.engines.docker import Docker, State

STOP_SECONDS = 10.0  #: after Ctrl-C, for run.py to write its result
SIGNALLED = 128  #: an exit code above it tells of a signal
DRAIN_SECONDS = 10.0  #: for the engine to end a killed container's output
PYTHON = "/opt/testground/bin/python"


class Container:
    """Host over an engine. Entering makes the workspace; each ``run`` is one container; leaving removes all.

    Args:
        docker: The engine.
        image: Name, digest or id of an image that the engine has; it is never pulled.
        run_id: Name of the run, unique on this machine.
        project: Name of the project, for the labels.
        checkout: The code under test; it is only read.
        run_folder: The run's folder on this machine, ``scratch`` on the host.
        prepared_site: Folder of site-packages entries made by the project's build.
        prepared_tree: Files made by the build that are laid over the checkout.
        python: The testground's interpreter in the image.
        ledger: Where what we start is written down.
    """

    name = "container"
    workspace = box.WORKSPACE
    inside = box.LIB
    scratch = box.RUN

    def __init__(
        self,
        docker: Docker,
        image: str,
        *,
        run_id: str,
        project: str,
        checkout: Path,
        run_folder: Path,
        prepared_site: Optional[Path] = None,
        prepared_tree: Optional[Path] = None,
        python: str = PYTHON,
        ledger: Optional[Ledger] = None,
    ) -> None:
        self.python = python
        self._docker = docker
        self._image = image
        self._run_id = run_id
        self._run_folder = run_folder
        self._prepared_site = prepared_site
        self._ledger = ledger or Ledger()
        self._labels = box.labels(run_id, project)
        state = self._ledger.folder.parent
        self._scratch_folder = scratch_root(state, checkout) / box.name_of(run_id, secrets.token_hex(3))
        self._overlay = Overlay(checkout, prepared_tree, self._scratch_folder)
        self._environment: dict[str, str] = {}
        self._entries: list[Entry] = []

    def __enter__(self) -> Self:
        info = self._docker.image(self._image)
        if info is None:
            raise EngineError(f"the engine has no image {self._image}", "build it first: nox -s testground_build")
        self._environment = box.environment(info.environment, os.getuid())
        self._run_folder.mkdir(parents=True, exist_ok=True)
        self._entries.append(self._ledger.add("scratch", str(self._scratch_folder)))
        self._overlay.create()
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._overlay.close()
        except OSError as error:
            print(f"noxlib: {self._scratch_folder} is left for `nox -s reap`: {error.strerror}", flush=True)
            return
        for entry in self._entries:
            self._ledger.strike(entry)

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder, which the container sees as ``scratch``."""
        copy(source, self._run_folder / target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        found = self._run_folder / source
        if found.exists() and found.resolve() != target.resolve():
            copy(found, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._overlay.write_back(patterns, checkout)

    def run(self, command: Command) -> Exit:
        """Run a command in a container of its own and remove that, whatever happens.

        Ctrl-C stops it gently (TERM, 10 s for it to write its result; a second Ctrl-C cuts that short) and is
        raised again.

        Raises:
            EngineError: The engine fails; cause ``lost`` where it stopped answering.
        """
        with self._created(command) as container:
            if command.terminal:
                return self._attended(container)
            return self._followed(container, command)

    @contextlib.contextmanager
    def _created(self, command: Command) -> Iterator[str]:
        name = box.name_of(self._run_id, secrets.token_hex(3))
        entry = self._ledger.add("container", name, details={"endpoint": str(self._docker.endpoint)})
        try:
            yield self._docker.create(name, self._body(command))
        finally:
            self._remove(name, entry)

    def _body(self, command: Command) -> dict[str, object]:
        ca_binds, ca_variables = box.ca_binds(box.ca_bundles(os.environ))
        binds = [
            box.Bind(str(INSIDE), f"{box.LIB}/noxlib_inside"),
            box.Bind(str(self._run_folder.resolve()), box.RUN, read_only=False),
            *ca_binds.values(),
        ]
        if self._prepared_site is not None:
            binds.append(box.Bind(str(self._prepared_site.resolve()), box.SITE))
        terminal = {"TERM": os.environ.get("TERM", "xterm")} if command.terminal else {}
        return box.body(
            command,
            image=self._image,
            environment={**self._environment, **ca_variables, **terminal},
            user=f"{os.getuid()}:{os.getgid()}",
            labels=self._labels,
            mounts=[self._overlay.mount(box.WORKSPACE, self._labels), *(bind.mount() for bind in binds)],
        )

    def _remove(self, name: str, entry: Entry) -> None:
        """Remove the container; if the engine is gone the ledger keeps the entry for the next start."""
        try:
            self._docker.remove(name)
        except EngineError as error:
            print(f"noxlib: the container {name} is left for `nox -s reap`: {error.what}", flush=True)
        else:
            self._ledger.strike(entry)

    def _followed(self, container: str, command: Command) -> Exit:
        attached = self._docker.attach(container)
        deadline = time.monotonic() + command.limits.timeout
        with Output(command.log, echo=command.echo) as output, contextlib.closing(attached):
            try:
                self._docker.start(container)
                in_time = self._follow(container, attached, output, deadline)
                if not in_time:
                    self._stop(container, attached, output, GRACE)
            except (KeyboardInterrupt, Cancelled):
                with contextlib.suppress(EngineError, KeyboardInterrupt):  # the first one is raised again
                    self._stop(container, attached, output, STOP_SECONDS)
                raise
        return _exit(self._docker.state(container), in_time=in_time)

    def _follow(self, container: str, attached: Attached, output: Output, deadline: float) -> bool:
        """Pass on the output until the container stands still (True) or the deadline comes (False)."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            try:
                chunk = attached.read(left)
            except OSError as error:
                raise EngineError(
                    f"the engine at {self._docker.endpoint} stopped sending the output: {error.strerror or error}",
                    "see whether it runs (`docker info`), then run the session again",
                    cause="lost",
                ) from error
            if chunk == b"":
                return self._docker.wait(container, left)
            if chunk:
                output.write(chunk)

    def _stop(self, container: str, attached: Attached, output: Output, grace: float) -> None:
        """TERM, a while to end by itself, then KILL."""
        self._docker.kill(container, signal.SIGTERM)
        try:
            if self._follow(container, attached, output, time.monotonic() + grace):
                return
        finally:
            self._docker.kill(container)
        self._follow(container, attached, output, time.monotonic() + DRAIN_SECONDS)

    def _attended(self, container: str) -> Exit:
        """The docker command is the best terminal there is: raw mode, window size, keys. A person has no deadline."""
        program = "docker" if shutil.which("docker") else "podman"
        stream((program, "start", "-ai", container), env=self._docker.command_environment(), terminal=True)
        return _exit(self._docker.state(container), in_time=True)


def _exit(state: State, *, in_time: bool) -> Exit:
    """The outcome by the engine's own state.

    The kernel's out-of-memory mark stands also where only a child of the command was killed (an xdist worker); then the
    command's own exit code is what happened, and ``oom`` a fact beside it.
    """
    killed = SIGNALLED < state.code <= SIGNALLED + 64
    if not in_time:
        return Exit(state.code, "timeout", oom=state.oom)
    if state.oom and state.code == SIGNALLED + signal.SIGKILL:
        return Exit(state.code, "out-of-memory", oom=True)
    return Exit(state.code, "signal" if killed else "exit", oom=state.oom)
