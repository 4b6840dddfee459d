"""Which place a suite takes, and why: asked for, configured, or found. A fallback is never silent."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.config.models import Config
from noxlib.errors import EngineError, PlaceError, UsageError
from noxlib.plan import ASKED
from noxlib.sessions.context import say, under_ci

if TYPE_CHECKING:
    from noxlib.engines.docker import Docker


class Placement(msgspec.Struct, frozen=True):
    """The place, the reason for it, and the engine where it needs one."""

    name: str
    reason: str
    fallback: bool = False
    engine: Optional[Docker] = None
    target: Optional[str] = None  #: which of a place's machines: ``root@host``
    terminal: bool = True  #: whether a command there can have a terminal
    checkout: Optional[Path] = None  #: other code than the project's own: that of another commit
    testground: Optional[str] = None  #: a published one instead of the checkout's own: ``v1.1.0``, ``sha256:…``


def choose(config: Config, asked: Optional[str]) -> Placement:
    """The place of this run; ``NOXLIB_PLACE`` has come in as configuration.

    Raises:
        EngineError: a container was asked for and no engine answers.
        PlaceError: under CI, a fallback that the configuration does not allow.
    """
    wanted, reason = _wanted(config, asked)
    if wanted == "venv":
        return Placement("venv", reason)
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - a venv pays for no engine

    try:
        engine = Docker.connect()
    except EngineError as error:
        if wanted == "container":
            raise
        return _fallback(config, error)
    found = f"{engine.kind} {engine.version} answers at {engine.endpoint}"
    return Placement("container", found if wanted == "auto" else reason, engine=engine)


def _wanted(config: Config, asked: Optional[str]) -> tuple[str, str]:
    if asked:
        return asked, f"{ASKED} --place"
    if os.environ.get("NOXLIB_PLACE"):
        return config.place, f"{ASKED} NOXLIB_PLACE"
    return config.place, f"configured: place = {config.place!r}"


def engine(platform: Optional[str] = None, *, runs: bool = True) -> Docker:
    """The engine, for steps that need one whatever the place of the tests; for images of another platform, if asked.

    Args:
        platform: As the user wrote it.
        runs: Whether something of that platform is to run; what is only moved needs no emulator.

    Raises:
        UsageError: there is no such platform.
        PlaceError: it cannot be emulated here.
        EngineError: none answers.
    """
    from noxlib.engines.docker import Docker  # noqa: PLC0415 - a venv pays for no engine

    return _of_platform(Docker.connect(), platform, runs=runs)


def choose_on(config: Config, asked: Optional[str], platform: Optional[str]) -> Placement:
    """As ``choose``; with a platform a container, unless another place is asked for. Raises as ``engine`` as well."""
    if platform is None:
        return choose(config, asked)
    chosen = choose(config, asked or "container")
    reason = chosen.reason if asked else f"{ASKED} --platform"
    return on_platform(msgspec.structs.replace(chosen, reason=reason), platform)


def on_platform(chosen: Placement, platform: Optional[str]) -> Placement:
    """The same place with images of another platform; the reason says that it is emulated. Raises as ``engine``."""
    if platform is None:
        return chosen
    if chosen.engine is None:
        raise UsageError(
            f"--platform chooses an image, and the place {chosen.name} has none", "leave it out, or --place container"
        )
    docker = _of_platform(chosen.engine, platform, runs=True)
    how = docker.platform if docker.platform == docker.native else f"{docker.platform} under emulation"
    return msgspec.structs.replace(chosen, engine=docker, reason=f"{chosen.reason}; {how}")


def _of_platform(docker: Docker, platform: Optional[str], *, runs: bool) -> Docker:
    if platform is None:
        return docker
    from noxlib.places import emulator  # noqa: PLC0415 - few runs ask for it
    from noxlib.testground import platforms  # noqa: PLC0415

    other = docker.for_platform(platforms.parse(platform))
    if runs:
        emulator.require(other)
    return other


def _fallback(config: Config, error: EngineError) -> Placement:
    if under_ci() and not config.fallback:
        raise PlaceError(
            f"{error.what}, and under CI nothing else is taken silently",
            'start the engine, or set place = "venv" (or fallback = true) in [tool.noxlib]',
            cause="place",
        )
    say(f"noxlib: {error.what}: the tests run in a virtual environment instead ({error.todo})")
    return Placement("venv", error.what, fallback=True)
