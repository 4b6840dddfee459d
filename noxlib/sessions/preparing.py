"""Prepare: the project's own editable build, made once per key by a host that holds the back end, then cached."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Optional

import msgspec

from noxlib.cache import Cache, state_folder
from noxlib.config.project import Project
from noxlib.engines import git
from noxlib.errors import BuildError
from noxlib.places.host import Command, Host
from noxlib.plan import Limits
from noxlib.sessions.context import say
from noxlib.sessions.grounds import Effort
from noxlib.testground import lock, prepare
from noxlib.testground.locked import Lock
from noxlib.testground.prepare import Prepared

BUDGET = 20 * 1024**3  #: bytes of prepared files kept on this machine
_TIMEOUT = 3600.0  #: seconds


def find_or_make(
    project: Project, key: str, python: str, builder: Callable[[Path], AbstractContextManager[Host]], effort: Effort
) -> Prepared:
    """The prepared files of a key.

    Args:
        project: A project that has something to build.
        key: See ``noxlib.testground.prepare.key``.
        python: The testground's interpreter at the place.
        builder: Takes a folder of this machine, its ``scratch``; gives a host whose interpreter holds the back end.
        effort: With ``none`` nothing is built.

    Raises:
        BuildError: the project's build fails, its own last lines are shown above; or it may not be built.
    """
    return cached(project, key, lambda target: _build(project, python, target, builder), effort)


def cached(project: Project, key: str, make: Callable[[Path], None], effort: Effort) -> Prepared:
    """The prepared files of a key, made by ``make(folder)`` into ``folder/prepared`` where they are not there yet.

    Files that the checkout has come to own since are a key of their own.
    """
    cache = Cache(state_folder() / "prepared", BUDGET)
    folder = cache.get(key)
    if folder is not None:
        found = prepare.read(key, folder / "prepared")
        taken = prepare.overtaken(found, project.root)
        if not taken:
            return found
        key = f"{key}-{prepare.digest(taken)}"
    if effort == "none" and cache.get(key) is None:
        raise absent("the project's own build")
    return prepare.read(key, cache.make(key, make) / "prepared")


def locked(project: Project, python: str, platform: str, effort: Effort) -> Lock:
    """The lock of one Python. Raises LockError, and BuildError where it would have to be made and may not."""
    if effort != "none":  # a lock is no build: on a machine that was given the image it is made again, the same
        return lock.find_or_make(project, python, platform)
    found = lock.find(project, python, platform)
    if found is None:
        raise absent(f"the lock of Python {python}")
    return found


def absent(what: str) -> BuildError:
    """What is not there and may not be made now."""
    return BuildError(f"{what} is not made yet", "run it once without --no-build and --dry-run", cause="absent")


def _build(
    project: Project, python: str, target: Path, builder: Callable[[Path], AbstractContextManager[Host]]
) -> None:
    say(f"noxlib: preparing {project.name} with {project.build.backend if project.build else 'no back end'}")
    log = target / "prepare.log"
    with builder(target) as host:
        request = target / "request.json"
        request.write_bytes(msgspec.json.encode(_request(project, python, host)))
        host.put(request, "request.json")
        command = Command(
            argv=(host.python, f"{host.inside}/noxlib_inside/prepare.py", f"{host.scratch}/request.json"),
            # A build that fetches something would make another thing each day; the venv cannot forbid it.
            limits=Limits(timeout=_TIMEOUT, network=host.name != "container"),
            log=log,
            echo=False,
        )
        ended = host.run(command)
        host.get("prepared", target)
    if ended.code != 0:
        raise _failed(project, log)


def _request(project: Project, python: str, host: Host) -> dict[str, Any]:
    build = project.build
    assert build is not None
    return {
        "workspace": host.workspace,
        "output": f"{host.scratch}/prepared",
        "requires": build.requires,
        "backend": build.backend,
        "backend_path": build.backend_path,
        "python": python,
        "owned": _owned(project.root),
        "config_settings": {},
    }


def _owned(root: Path) -> Optional[list[str]]:
    """Files that git does not ignore; None without git: then every file that is there counts."""
    names = git.owned(root)
    return None if names is None else sorted(names)


def _failed(project: Project, log: Path) -> BuildError:
    lines = log.read_text(encoding="utf-8", errors="replace").rstrip().splitlines() if log.exists() else []
    for line in lines[-40:]:
        say(f"  {line}")
    last = next((line.strip() for line in reversed(lines) if line.strip()), "it printed nothing")
    backend = project.build.backend if project.build else ""
    return BuildError(
        f"the project's own build ({backend}) failed: {last[:300]}",
        "its own lines stand above; compilers and libraries go into [tool.noxlib] apt = [...]",
        cause="prepare",
    )


def caller() -> str:
    """Name of this process' builds, unique on this machine while it lives."""
    return f"prepare-{os.getpid()}"
