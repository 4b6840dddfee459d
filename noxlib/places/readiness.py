"""Waiting for services without a sleep: each is ready, not yet, or will never be, by the engine's own word."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib.engines import compose as engine
from noxlib.engines import process
from noxlib.errors import EngineError, PlaceError
from noxlib.places import addresses, probe
from noxlib.secret import mask

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from noxlib.engines.background import Background
    from noxlib.engines.compose import Compose
    from noxlib.places.probe import Listening
    from noxlib.places.stack import Stack

PAUSE = 0.1  #: seconds between two looks at the services
READY_SECONDS = 600.0  #: from the first moment at which all have a container: what is pulled and built takes its time
CALM_SECONDS = 3.0  #: a service that ended once and is asked for nothing must run that long
LOOPS = 3  #: a service that was started anew so often will not come up
SHOWN = 10  #: last lines of a failed service that are shown
NO_ROOM = "no space left on device"


class Look(msgspec.Struct, frozen=True):
    """One look at a service."""

    ready: bool = False
    running: bool = False
    asked: bool = False  #: the engine asks it for its health
    restarts: int = 0
    failed: str = ""  #: why it will never be ready
    said: str = ""  #: by its healthcheck, where that is why


def look(about: Mapping[str, Any], *, one_shot: bool) -> Look:
    """What the engine's own description of a container says.

    Args:
        about: The description, as ``docker inspect`` has it.
        one_shot: Another service waits for this one's end.
    """
    state = about["State"]
    status, code = state.get("Status"), state.get("ExitCode", 0)
    restarts = about.get("RestartCount", 0)
    if restarts >= LOOPS and status != "running":  # while it runs the engine knows no code of it
        return Look(failed=f"ends again and again, last with {code}")
    if status in ("exited", "dead"):
        if one_shot and code == 0:
            return Look(ready=True)
        return Look(failed="was killed for lack of memory" if state.get("OOMKilled") else f"ended with {code}")
    if status != "running" or one_shot:
        return Look(restarts=restarts)
    health = state.get("Health") or {}
    asked = health.get("Status", "none")
    if asked == "unhealthy":
        outputs = [one.get("Output") or "" for one in health.get("Log") or ()]
        return Look(failed="is unhealthy", said=process.last_line("".join(outputs[-1:]), ""))
    return Look(ready=asked == "healthy", running=True, asked=asked != "none", restarts=restarts)


class Waiting:
    """From the first container to the last service that is ready; its clock runs from now on.

    Args:
        compose: The project.
        stack: Its services.
        listening: Starts the probe at its first call; the names of the services that listen so far.
        log: What compose printed.
        limit: Seconds after which services that have containers are given up.
    """

    def __init__(
        self, compose: Compose, stack: Stack, listening: Listening, log: Path, *, limit: float = READY_SECONDS
    ) -> None:
        self._compose = compose
        self._stack = stack
        self._listening = listening
        self._log = log
        self._limit = limit
        self._targets = probe.targets(stack)
        self._asking = compose.docker.kind == "podman"
        self._ready: dict[str, float] = {}
        self._since: dict[tuple[str, int], float] = {}
        self._begun = time.monotonic()

    def follow(self, starting: Background) -> dict[str, float]:
        """Seconds until each service was ready.

        Raises:
            PlaceError: one will never be, or compose could not start it.
            EngineError: the engine fails.
        """
        made: Optional[float] = None  # when compose had pulled, built and made all: it starts none before
        while True:
            code = starting.poll()
            seconds = round(time.monotonic() - self._begun, 2)
            there = self._look_at_all(seconds)
            if made is None and (code == 0 or there == set(self._stack.services)):
                made = seconds
            if code:
                raise engine.refusal(self._log)
            if code == 0 and there <= set(self._ready):  # of a service with no replicas there is no container
                return self._ready
            if made is not None and seconds - made > self._limit:
                self._overdue()
            time.sleep(PAUSE)

    def _look_at_all(self, seconds: float) -> set[str]:
        """Take in the state of every service; the names of those that have a container."""
        found = self._compose.containers()
        looks = {
            name: look(found[name], one_shot=name in self._stack.awaited)
            for name in self._stack.services
            if name in found
        }
        for name, one in looks.items():
            if one.failed:
                self._fail(name, found[name]["Id"], one)
            if self._asking and one.asked and not one.ready:
                self._compose.docker.check_health(found[name]["Id"])
        there = all(name in looks and looks[name].running for name in self._targets)
        open_ = self._listening() if self._targets and there else frozenset()
        for name, one in looks.items():
            if one.ready or (one.running and not one.asked and self._up(name, one, open_)):
                self._ready.setdefault(name, seconds)
            else:  # it ended while others were waited for
                self._ready.pop(name, None)
        return set(looks)

    def _up(self, name: str, one: Look, open_: frozenset[str]) -> bool:
        """Whether a service that nobody asks for its health listens, or at least has not ended again since a while."""
        if name in self._targets:
            return name in open_
        since = self._since.setdefault((name, one.restarts), time.monotonic())
        return one.restarts == 0 or time.monotonic() - since >= CALM_SECONDS

    def _fail(self, name: str, container: str, seen: Look) -> None:
        try:
            text = b"".join(self._compose.docker.logs(container, SHOWN)).decode("utf-8", "replace")
        except EngineError as error:  # its logging driver keeps nothing; why the service failed counts more
            text = f"no log of it: {error.what}"
        for line in mask(text, self._stack.secrets).splitlines():
            print(f"  {name} | {line}", flush=True)
        todo = f"its whole log is in {engine.shown(self._log.with_name(f'{name}.log'))}"
        if seen.failed == "ended with 0":
            todo = f"if it is meant to end, what needs it waits by condition: service_completed_successfully; {todo}"
        what = f"the service {name} {seen.failed} before the services were ready"
        if NO_ROOM in text.lower():
            todo = f"give its volume or tmpfs more room, or free space where the engine keeps its data; {todo}"
            raise PlaceError(f"{what}: a disk that it writes to is full", todo, cause="disk-full")
        asked = f": its healthcheck said: {mask(seen.said, self._stack.secrets)}" if seen.said else ""
        raise PlaceError(f"{what}{asked}", todo, cause="service")

    def _overdue(self) -> None:
        waiting = sorted(set(self._stack.services) - set(self._ready))
        ports = {name: addresses.ports(self._stack.services[name]) for name in self._targets}
        at = {name: f" (nothing listens at {', '.join(map(str, found))})" for name, found in ports.items()}
        names = ", ".join(f"{name}{at.get(name, '')}" for name in waiting) or "compose"
        raise PlaceError(
            f"not ready after {self._limit:g} s: {names}",
            f"their logs are in {engine.shown(self._log.parent)}; "
            "ready_timeout in [tool.noxlib.compose_integration] gives more time",
            cause="service",
        )


def told(ready: Mapping[str, float]) -> str:
    """One line of what was ready when."""
    return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in ready.items())
