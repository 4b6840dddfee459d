"""The place ``compose``: the container of the tests, on the network of a stack of services that are ready."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import atomic
from noxlib.engines import compose as engine
from noxlib.engines.compose import Compose
from noxlib.engines.output import Output
from noxlib.errors import EngineError
from noxlib.ledger import Entry, Ledger
from noxlib.places import box, readiness
from noxlib.places.container import Container
from noxlib.places.host import Facts, Service
from noxlib.places.probe import Probe
from noxlib.secret import Masker

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Self

    from noxlib.engines.docker import Docker
    from noxlib.places.host import Command, Exit
    from noxlib.places.stack import Stack

KIND = "compose"


class Services:
    """Host over an engine and a compose file.

    Entering starts the services and waits until they are ready; the tests then run as in the place ``container``;
    leaving keeps every service's log and removes all.

    Args:
        docker: The engine.
        image: The testground.
        stack: The services.
        files: The compose file, and what overrides it.
        project: Name of the compose project, unique on the engine.
        run_id: Name of the run, unique on this machine.
        owner: Name of the tested project, for the labels.
        run_folder: The run's folder on this machine.
        python: The testground's interpreter in the image.
        ledger: Where what we start is written down.
        keep: Leave the services and the workspace to the user, and say how they are reached.
        build: Build the services that are built from code of the project.
        options: The rest of what ``Container`` takes.
    """

    name = KIND
    workspace = box.WORKSPACE
    inside = box.LIB
    scratch = box.RUN

    def __init__(
        self,
        docker: Docker,
        image: str,
        stack: Stack,
        *,
        files: tuple[Path, ...],
        project: str,
        run_id: str,
        owner: str,
        run_folder: Path,
        python: str,
        ledger: Optional[Ledger] = None,
        keep: bool = False,
        build: bool = True,
        **options: Any,
    ) -> None:
        self.python = python
        self._build = build
        self.facts = Facts()
        self._docker = docker
        self._stack = stack
        self._run_id = run_id
        self._labels = box.labels(run_id, owner)
        self._logs = run_folder / "logs"
        self._ledger = ledger or Ledger()
        self._keep = keep
        self._override = run_folder / f"{project}.json"
        self._compose = Compose(docker, (*files, self._override), project)
        self._probe = Probe(docker, image, python, stack, run_id=run_id, labels=self._labels, ledger=self._ledger)
        self._entry: Optional[Entry] = None
        self._container = Container(
            docker,
            image,
            run_id=run_id,
            project=owner,
            run_folder=run_folder,
            python=python,
            ledger=self._ledger,
            keep=keep,
            attachment=stack.attachment,
            **options,
        )

    def __enter__(self) -> Self:
        details = {"endpoint": str(self._docker.endpoint), "run": self._run_id}
        self._entry = self._ledger.add(KIND, self._compose.project, details=details)
        try:
            self._start()
            self._container.__enter__()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *exc_info: object) -> None:
        try:
            self._container.__exit__(*exc_info)
        finally:
            if self._keep and exc_info[0] is None:
                self._hand_over()
            else:
                self._leave()

    def put(self, source: Path, target: str) -> None:
        """Copy a file or folder into the run's folder, which the container sees as ``scratch``."""
        self._container.put(source, target)

    def get(self, source: str, target: Path) -> None:
        """Copy a file or folder of the run's folder; an absent one is no error."""
        self._container.get(source, target)

    def write_back(self, patterns: tuple[str, ...], checkout: Path) -> tuple[str, ...]:
        """Copy what tests wrote and a glob names to the checkout; the relative paths copied or removed."""
        return self._container.write_back(patterns, checkout)

    def run(self, command: Command) -> Exit:
        """Run a command in a container of its own on the services' network; their secrets are masked in its output.

        Raises:
            EngineError: The engine fails; cause ``lost`` where it stopped answering.
        """
        masked = msgspec.structs.replace(command, secrets=(*command.secrets, *self._stack.secrets))
        return self._container.run(masked)

    def _start(self) -> None:
        """Bring the services up and wait for them."""
        stack = self._stack
        print(f"noxlib: starting {', '.join(stack.services)} of {stack.file}", flush=True)
        self._override.parent.mkdir(parents=True, exist_ok=True)
        labels = {} if self._keep else self._labels  # what is kept outlives us, and is no leftover
        self._override.write_text(json.dumps(stack.override(labels), indent=1), encoding="utf-8")
        log = self._logs / "compose.log"
        with (
            self._masked(log),
            self._compose.up(tuple(stack.services), log, build=self._build and stack.builds) as starting,
            self._probe as listening,
        ):
            ready = readiness.Waiting(self._compose, stack, listening, log).follow(starting)
        images = {name: str(about["Config"]["Image"]) for name, about in self._compose.containers().items()}
        self.facts = Facts(services=tuple(Service(name, images.get(name, ""), ready[name]) for name in ready))
        print(f"noxlib: ready: {readiness.told(ready)}", flush=True)

    @contextlib.contextmanager
    def _masked(self, log: Path) -> Any:
        """What compose prints while it builds may show a service's variables."""
        try:
            yield
        finally:
            masker = Masker(self._stack.secrets)
            with contextlib.suppress(OSError):  # a full disk, or none was written
                atomic.write(log, masker.feed(log.read_bytes()) + masker.flush(), mode=0o644)

    def _leave(self) -> None:
        """Keep the logs, remove the services; what cannot be removed now stays in the ledger for the next start."""
        try:
            with contextlib.suppress(OSError):  # a full disk keeps no log, and hinders no removal
                self._save_logs()
            self._compose.down()
        except EngineError as error:
            print(
                f"noxlib: the services of {self._compose.project} are left for `nox -s reap`: {error.what}", flush=True
            )
        else:
            self._strike()

    def _save_logs(self) -> None:
        for name, about in self._compose.containers().items():
            with Output(self._logs / f"{name}.log", echo=False, secrets=self._stack.secrets) as output:
                for chunk in self._docker.logs(about["Id"]):
                    output.write(chunk)

    def _hand_over(self) -> None:
        """``--keep``: the services are the user's from now on; how each is reached, and how all go."""
        with contextlib.suppress(OSError):
            self._save_logs()
        self._strike()
        for name, about in self._compose.containers().items():
            print(f"noxlib: kept: {name} {reached(about)}", flush=True)
        networks = ", ".join(self._stack.attachment.networks)
        print(f"noxlib: kept: from a container: docker run --network {networks} …", flush=True)
        print(f"noxlib: yours to remove: docker compose -p {self._compose.project} down -v", flush=True)

    def _strike(self) -> None:
        if self._entry is not None:
            self._ledger.strike(self._entry)


def reached(about: dict[str, Any]) -> str:
    """How a service is reached from this machine."""
    bound = (about["NetworkSettings"].get("Ports") or {}).items()
    ends = [
        f"{bind['HostIp']}:{bind['HostPort']} (its port {port.partition('/')[0]})"
        for port, binds in bound
        for bind in binds or ()
    ]
    return f"at {', '.join(sorted(ends))}" if ends else "at no port of this machine"


def remove(docker: Docker, entry: Entry) -> bool:
    """Remove what a dead run left of its services. Raises EngineError."""
    engine.remove(docker, entry.name)
    return True
