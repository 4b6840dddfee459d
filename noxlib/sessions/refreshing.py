"""``testground_lock -- --refresh``: locks and base images as of now, and what a pull request should say of it.

It is part of locking, since what it changes is the checkout, which a pull request then carries; it publishes nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Optional

from noxlib.config.detect import load_project
from noxlib.config.locks import pylock_name
from noxlib.config.project import Project
from noxlib.engines import pipaudit, registryauth
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Registry
from noxlib.errors import EngineError, NoxlibError
from noxlib.sessions import placing
from noxlib.sessions.context import Context, say
from noxlib.sessions.writing import append, tell_workflow, write
from noxlib.testground import foreign, lock, recipe, refresh, resolve, results
from noxlib.testground.inventory import Package
from noxlib.testground.locked import Lock
from noxlib.testground.refresh import Base, Refreshed
from noxlib.testground.resolve import Target

SUMMARY = "refresh.md"  #: in .noxlib
_STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
_RENEWED = ("none", "pylock")  #: kinds of locks that noxlib itself writes


def run(context: Context, project: Project, platform: str) -> None:
    """Write each Python's lock as of now, pull newer bases, and tell what changed and what is known to be vulnerable.

    Raises:
        LockError: the index cannot be reached, or nothing satisfies the requirements.
        UsageError: a file cannot be written.
    """
    docker = _engine()
    found = tuple(_one(context, project, python, platform, docker) for python in project.pythons)
    text = refresh.markdown(found)
    path = results.own_folder(project.root) / SUMMARY
    write(path, text.encode())
    if os.environ.get(_STEP_SUMMARY):
        append(Path(os.environ[_STEP_SUMMARY]), text)
    changed = any(one.is_changed for one in found)
    tell_workflow(f"changed={str(changed).lower()}\n", os.environ)
    found_out = "there is something newer" if changed else "nothing is newer"
    say(f"{context.session}: {found_out}; written: {os.path.relpath(path, project.root)}")


def _one(context: Context, project: Project, python: str, platform: str, docker: Optional[Docker]) -> Refreshed:
    file = project.lock_files.get(python) or pylock_name(python)
    before, note = _before(project, python, platform, file), f"{file} is renewed by its own tool"
    if project.lock_kind in _RENEWED:
        say(f"noxlib: resolving the dependencies for Python {python} as of now")
        text = resolve.dependencies(project, Target(python, platform, project.config.exclude_newer))
        write(project.root / file, text.encode())
        note = ""
    locked = lock.find_or_make(load_project(project.root), python, platform)  # as the checkout is now
    after = _packages(locked, file, python, platform)
    bases = tuple(_base(reference, project, docker) for reference in recipe.of(project, python, locked).images)
    say(f"noxlib: asking for known vulnerabilities of {len(after)} packages")
    audit = pipaudit.audit((package.name, package.version) for package in after if package.version)
    if audit.unknown:
        say(f"noxlib: known vulnerabilities could not be asked for: {audit.unknown}")
    changed = refresh.changes(before, after)
    known = "vulnerabilities not asked for" if audit.unknown else f"{len(audit.found)} known vulnerabilities"
    say(f"{context.session}: {file}: {len(changed)} packages differ, {known}")
    return Refreshed(python, file, changed, bases, audit, note)


def _before(project: Project, python: str, platform: str, file: str) -> tuple[Package, ...]:
    """What the checkout has installed so far; its own file may be out of date, which is what this mends."""
    if project.lock_kind == "pylock" and python in project.lock_files:
        return refresh.packages((project.root / file).read_text("utf-8"), file, python, platform)
    return _packages(lock.find_or_make(project, python, platform), file, python, platform)


def _packages(locked: Lock, file: str, python: str, platform: str) -> tuple[Package, ...]:
    """Those of all files of a lock, but of one in pip's format."""
    texts = [(locked.folder / name).read_text("utf-8") for name in locked.files if name.endswith(".toml")]
    return tuple(sorted({package for text in texts for package in refresh.packages(text, file, python, platform)}))


def _base(reference: str, project: Project, docker: Optional[Docker]) -> Base:
    """The digest that its registry has for it now; where an engine is here, the newer one is pulled."""
    source = recipe.mirrored(reference, project.config.mirrors)
    here = docker.image(source) if docker else None
    known = [digest.rpartition("@")[2] for digest in here.digests] if here else []
    before = known[0] if known else None
    if "@" in source:
        return Base(reference, before, source.rpartition("@")[2])
    try:
        now = _asked(source)
    except NoxlibError as error:
        say(f"noxlib: {error.what}")
        return Base(reference, before, None, error.what)
    if now in known:
        return Base(reference, now, now)
    if docker is not None:
        _pull(source, docker)
    return Base(reference, before, now)


def _asked(source: str) -> str:
    image, name = foreign.split(source)
    host = registryauth.split(image)[0]
    now = Registry(image, registryauth.find(host, os.environ), attempts=1).digest(name)
    if now is None:
        raise EngineError(f"the registry {host} has no {source}", "see whether that name is right", cause="absent")
    return now


def _pull(source: str, docker: Docker) -> None:
    from noxlib.engines import builder  # noqa: PLC0415 - only where something is newer

    say(f"noxlib: pulling {source}")
    builder.pull(source, docker)


def _engine() -> Optional[Docker]:
    try:
        return placing.engine()
    except EngineError:
        return None
