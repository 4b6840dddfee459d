"""A stack of services: up until it is ready, its logs kept, and then gone, or left up for the next run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Callable, Optional

from noxlib.engines.compose import Compose
from noxlib.engines.output import Output
from noxlib.errors import EngineError, PlaceError
from noxlib.places import emptying, kept, kept_elsewhere, readiness, service_sidecars, sidecar_addresses
from noxlib.places.host import Facts, Service
from noxlib.places.kept import KIND
from noxlib.secret import mask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines.docker import Docker
    from noxlib.ledger import Entry, Ledger
    from noxlib.places.addresses import Addresses
    from noxlib.places.kept import Kept
    from noxlib.places.probe import Listening
    from noxlib.places.stack import Stack

Work = Callable[["Services"], None]


class Services:
    """A context manager: entering starts the services and waits until they are ready.

    Leaving keeps every service's log and removes all; where they are kept it leaves them up.

    Args:
        docker: The engine.
        stack: The services.
        files: The compose file, and what overrides it.
        project: Name of the compose project.
        run_id: Name of the run.
        labels: What all that is made bears; nothing for what is kept, which outlives its run.
        folder: Where logs and our override go.
        ledger: Where what we start is written down.
        probe: What tells which services listen; it is given this.
        kept: The stack that stays up, taken for this run; None: the stack is this run's alone.
        build: Build the services that are built from code of the project.
        fresh: What is up already is emptied, and prepared again.
        reset: Of a stack that is up already: the service -> the command in its container that empties it.
        ready_timeout: Seconds in which services get ready, once they have containers.
        preparations: What is done between ready and the tests.
    """

    def __init__(
        self,
        docker: Docker,
        stack: Stack,
        *,
        files: tuple[Path, ...],
        project: str,
        run_id: str,
        labels: Mapping[str, str],
        folder: Path,
        ledger: Ledger,
        probe: Callable[[Services], AbstractContextManager[Listening]],
        kept: Optional[Kept] = None,
        build: bool = True,
        fresh: bool = True,
        reset: Optional[Mapping[str, tuple[str, ...]]] = None,
        ready_timeout: float = readiness.READY_SECONDS,
        preparations: tuple[Work, ...] = (),
    ) -> None:
        self.docker = docker
        self.stack = stack
        self.folder = folder
        self.facts = Facts()
        self._labels = {} if kept else labels
        self._override = folder / f"{project}.yml"
        self.compose = Compose(docker, (*files, self._override), project)
        self._details = {"endpoint": str(docker.endpoint), "run": run_id}
        self._ledger = ledger
        self._probe = probe
        self._kept = kept
        self._build = build
        self._fresh = fresh
        self._reset = reset or {}
        self._ready_timeout = ready_timeout
        self._preparations = preparations
        self._entry: Optional[Entry] = None

    def __enter__(self) -> Self:
        try:
            up = self._kept is not None and self._take_over(self._kept)
            self._entry = self._ledger.add(KIND, self.compose.project, details=self._details)
            if self._kept is not None:
                self._kept.forget()  # it is this run's own now, and goes with it where it dies
            if up and not self._fresh and self._preparations and self._running():
                print(f"noxlib: {', '.join(self.stack.services)} of {self.stack.file} are up already", flush=True)
                return self
            self._start(empty=up and (self._fresh or bool(self._preparations)))
            for prepare in self._preparations:
                prepare(self)
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._kept is None:
            self._leave()
        else:
            self._hand_over(self._kept)

    @property
    def logs(self) -> Path:
        return self.folder / "logs"

    def addresses(self) -> Addresses:
        """Where each service is reached from this machine; one with faults by what stands before it."""
        return sidecar_addresses.reached(self.stack, self.compose.containers())

    def execute(self, service: str, command: tuple[str, ...]) -> str:
        """Run a command in a service's container; what it printed, without secrets.

        Raises:
            PlaceError: it failed.
            EngineError: the engine fails.
        """
        code, output = self.docker.execute(self.compose.containers()[service]["Id"], command)
        said = mask(output.decode("utf-8", "replace"), self.stack.secrets)
        if code:
            last = (said.strip().splitlines() or ["it printed nothing"])[-1]
            raise PlaceError(
                f"{command[0]} in the service {service} ended with {code}: {last}",
                "correct its command: reset in [tool.noxlib.compose_integration]",
                cause="service",
            )
        return said

    def _take_over(self, kept_: Kept) -> bool:
        """Whether the stack is up and made of the same; one that differs is told and removed."""
        entry = kept_.entry
        if entry is None or kept_elsewhere.remove(self._ledger, entry, self.docker):
            return False
        before = json.loads(entry.details.get("configuration", "{}"))
        different = kept.differences(before, self._configuration())
        if different:
            shown = ", ".join(different[:6]) + (f" and {len(different) - 6} more" if len(different) > 6 else "")  # noqa: PLR2004 - a line
            print(f"noxlib: the services that are up are made anew, since these differ: {shown}", flush=True)
            self.compose.down()
        return not different

    def _running(self) -> bool:
        """Whether every service runs, or has ended as it should: one that was stopped may have lost its data."""
        found = self.compose.containers()
        looks = (
            readiness.look(found[name], one_shot=name in self.stack.awaited) if name in found else readiness.Look()
            for name in self.stack.services
        )
        return all(one.ready or one.running for one in looks)

    def _configuration(self) -> dict[str, str]:
        found = {name: self.docker.image(str(one.get("image"))) for name, one in self.stack.services.items()}
        return kept.configuration(self.stack, {name: image.id for name, image in found.items() if image})

    def _start(self, *, empty: bool) -> None:
        """Bring the services up and wait for them; what is up already stays, or is emptied."""
        stack = self.stack
        print(f"noxlib: {'emptying' if empty else 'starting'} {', '.join(stack.services)} of {stack.file}", flush=True)
        if empty:
            emptying.renew(self.compose, stack, self.addresses(), self._reset)
        self.logs.mkdir(parents=True, exist_ok=True)
        log = self.logs / "compose.log"
        build = self._build and stack.builds  # and then compose may print a service's variables
        service_sidecars.lay(self.compose, stack, self._labels, self._override, log, build=build)
        with self._probe(self) as listening:
            waiting = readiness.Waiting(self.compose, stack, listening, log, limit=self._ready_timeout)
            with self.compose.up(tuple(stack.services), log, build=build, secrets=stack.secrets) as starting:
                ready = waiting.follow(starting)
        for name, command in self._reset.items():
            if empty and command and name in stack.services:  # else it is of another profile
                self.execute(name, command)
        images = {name: str(about["Config"]["Image"]) for name, about in self.compose.containers().items()}
        self.facts = Facts(services=tuple(Service(name, images.get(name, ""), ready[name]) for name in ready))
        print(f"noxlib: ready: {readiness.told(ready)}", flush=True)

    def _leave(self) -> None:
        """Keep the logs, remove the services; what cannot be removed now stays in the ledger for the next start."""
        try:
            self._save_logs()
            self.compose.down()
        except EngineError as error:
            print(
                f"noxlib: the services of {self.compose.project} are left for `nox -s reap`: {error.what}", flush=True
            )
        else:
            self._strike()
        finally:
            if self._kept is not None:
                self._kept.release()

    def _save_logs(self) -> None:
        """Keep each service's log; what hinders one, a full disk too, hinders neither the others nor the removal."""
        if self.logs.is_symlink():  # tests write to the run's folder, and may lay a link there
            return
        for name, about in self.compose.containers().items():
            try:
                self._save_log(name, about["Id"])
            except OSError as error:
                print(f"noxlib: no log of {name}: {error.strerror}", flush=True)
            except EngineError as error:  # `logging: {driver: none}` has none that could be read
                if error.cause == "lost":
                    raise
                print(f"noxlib: no log of {name}: {error.what}", flush=True)

    def _save_log(self, name: str, container: str) -> None:
        with Output(self.logs / f"{name}.log", echo=False, secrets=self.stack.secrets) as output:
            for chunk in self.docker.logs(container):
                output.write(chunk)

    def _hand_over(self, kept_: Kept) -> None:
        """They stay up: how each is reached, and how all go."""
        try:
            self._save_logs()
            kept_.note(self._details, self._configuration())
            self._strike()
            for line in kept_.told(self.stack, self.addresses()):
                print(f"noxlib: {line}", flush=True)
        finally:
            kept_.release()

    def _strike(self) -> None:
        if self._entry is not None:
            self._ledger.strike(self._entry)
