"""The data of a stack between ready and the tests: migrated and seeded, or laid down as an earlier run left them."""

from __future__ import annotations

import shlex
import time
from collections import deque
from typing import TYPE_CHECKING, Callable, Optional

import msgspec

from noxlib.engines.compose import shown
from noxlib.errors import CacheError, EngineError, PlaceError
from noxlib.places import stack_postgres
from noxlib.places.host import Command
from noxlib.places.stack_lint import merged
from noxlib.secret import Masker, mask

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.cache import Cache
    from noxlib.engines.docker import Docker
    from noxlib.places.host import Exit
    from noxlib.places.services import Services
    from noxlib.places.stack import Stack
    from noxlib.places.stack_postgres import Postgres
    from noxlib.plan import Limits

FILE = "data.tar"  #: in an entry of the cache
SHOWN = 10  #: last lines of a command that failed

Run = Callable[[Command], "Exit"]


class Step(msgspec.Struct, frozen=True):
    """One thing that fills the services: a command beside them, or a SQL file of this machine."""

    kind: str  #: ``migration`` or ``seed``: the cause of a failure
    text: str  #: as it is configured
    file: Optional[Path] = None  #: the SQL file

    @property
    def argv(self) -> tuple[str, ...]:
        return tuple(shlex.split(self.text))


class Data:
    """What fills a stack, and where the result is kept.

    Args:
        steps: In their order.
        postgres: The service that SQL files go to, and that is kept; None: there is none.
        cache: Holds data folders.
        key: Of the result, by what the steps are carried out in; None where it is not to be kept, or the service's
            image is not there yet.
    """

    def __init__(
        self, steps: tuple[Step, ...], postgres: Optional[Postgres], cache: Cache, key: Callable[[str], Optional[str]]
    ) -> None:
        self.steps = steps
        self.postgres = postgres
        self.cache = cache
        self.key = key
        self.testground = ""
        self.laid_down = False

    def added(self, stack: Stack, docker: Docker, testground: str) -> Stack:
        """The stack with the data folder of an earlier run, where one is kept.

        Only the override of its file gets it: a stack that stays up is the same with it as without.

        Args:
            stack: The services.
            docker: The engine.
            testground: What the steps are carried out in: its fingerprint, or the key of its lock.
        """
        self.testground = testground
        key = self.key(testground)
        kept = self.cache.get(key, verify=True) if key else None
        if kept is None or self.postgres is None:
            return stack
        name = self.postgres.service
        image = docker.image(str(stack.services[name]["image"]))
        if image is None:
            return stack
        self.laid_down = True
        more = stack_postgres.laid_down(stack.services[name], image, kept / FILE)
        additions = {**stack.additions, name: merged(stack.additions.get(name, {}), more)}
        return msgspec.structs.replace(stack, additions=additions)

    def fill(self, services: Services, run: Run, limits: Limits) -> None:
        """Carry the steps out, unless their result is there already, and keep it.

        Raises:
            PlaceError: a step failed; its last lines were shown.
            EngineError: the engine fails.
        """
        if self.laid_down and self.postgres is not None:
            print(f"noxlib: {self.postgres.service} has the data of an earlier run, nothing changed since", flush=True)
            return
        begun = time.monotonic()
        for step in self.steps:
            self._carry_out(step, services, run, limits)
        print(f"noxlib: the data were made in {time.monotonic() - begun:.1f} s", flush=True)
        self._keep(services)

    def _carry_out(self, step: Step, services: Services, run: Run, limits: Limits) -> None:
        log = services.logs / ("migrate.log" if step.kind == "migration" else "seed.log")
        print(f"noxlib: {step.kind}: {step.text}", flush=True)
        if step.file is None:
            ended = run(Command(step.argv, log=log, echo=False, limits=limits))
            code, how = ended.code, f"ended with {ended.code}" if ended.cause == "exit" else f"ended by {ended.cause}"
        else:
            code, output = self._load(step.file, services)
            how = f"ended with {code}"
            with log.open("ab") as stream:
                masker = Masker(services.stack.secrets)
                stream.write(masker.feed(output) + masker.flush())
        if code:
            raise _failure(step, how, log)

    def _load(self, file: Path, services: Services) -> tuple[int, bytes]:
        if self.postgres is None:
            raise PlaceError(
                f"{services.stack.file} has no PostgreSQL, or several, for {file.name}",
                "name one by DATABASE_URL of the runner, or seed by a command",
                cause="seed",
            )
        container = services.compose.containers()[self.postgres.service]["Id"]
        return stack_postgres.load(services.docker, container, self.postgres.database, file)

    def _keep(self, services: Services) -> None:
        """Keep the result for the next run; what hinders it hinders no test."""
        key, postgres = self.key(self.testground), self.postgres
        if key is None or postgres is None:
            return
        container = services.compose.containers()[postgres.service]["Id"]
        try:
            self.cache.make(key, lambda folder: stack_postgres.save(services.docker, container, folder / FILE))
        except (EngineError, CacheError) as error:
            if error.cause == "lost":
                raise
            said = mask(error.what, services.stack.secrets)
            print(f"noxlib: the data of {postgres.service} are not kept for the next run: {said}", flush=True)


def _failure(step: Step, how: str, log: Path) -> PlaceError:
    """The last lines of what failed are shown; two lines more."""
    with log.open(encoding="utf-8", errors="replace") as stream:
        lines = [line.rstrip() for line in deque(stream, SHOWN)]
    for line in lines:
        print(f"  {step.kind} | {line}", flush=True)
    return PlaceError(
        f"the {step.kind} `{step.text}` {how}", f"all that it printed is in {shown(log)}", cause=step.kind
    )
