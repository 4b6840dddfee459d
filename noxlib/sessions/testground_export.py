"""``testground_export``: the testgrounds of all Pythons in one file, layers that they share once."""

from __future__ import annotations

import os
from pathlib import Path

from noxlib import temporary
from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import archive, images
from noxlib.engines.docker import Docker
from noxlib.errors import UsageError
from noxlib.sessions import container_ground, placing, reaping
from noxlib.sessions.arguments import DRY_RUN, NO_BUILD, Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Effort
from noxlib.testground import image, results

PYTHON = Option("--python", "this Python only; may be given again", "X", many=True)
FILE = "testgrounds.tar.zst"


def run(context: Context) -> None:
    """Carry the step out; the one word after the options is the file, default ``.noxlib/testgrounds.tar.zst``.

    Raises:
        UsageError: there is more than one word, or a Python that the project does not have.
        MachineError: the file cannot be written.
    """
    arguments = context.parse(PYTHON, NO_BUILD, DRY_RUN)
    project = load_project(context.root)
    pythons = _pythons(context, project, arguments)
    target = file_of(context, arguments)
    reaping.sweep(context.root)
    docker = placing.engine()
    if arguments["dry_run"]:
        say(f"{context.session}: would write {shown(context, target)} with Python {', '.join(pythons)}")
        return
    effort: Effort = "no-build" if arguments["no_build"] else "all"
    found = tuple(_image(project, python, docker, effort) for python in pythons)
    say(f"noxlib: saving {len(found)} testgrounds")
    with temporary.folder(target.parent, ".noxlib-export-") as aside:
        saved = images.save([entry.reference for entry in found], docker)
        archive.pack(saved, archive.Contents(project.name, found), aside / FILE)
        (aside / FILE).replace(target)
    size = target.stat().st_size
    say(f"{context.session}: {shown(context, target)}: Python {', '.join(pythons)} in {size / 1e6:.0f} MB")


def shown(context: Context, path: Path) -> str:
    """A path as a user in the checkout would write it."""
    return os.path.relpath(path, context.root) if context.root in path.parents else str(path)


def file_of(context: Context, arguments: Arguments) -> Path:
    """The archive that is meant. Raises UsageError."""
    if len(arguments.rest) > 1 or any(word.startswith("-") for word in arguments.rest):
        raise UsageError(
            f"{context.session} takes one file, not {' '.join(arguments.rest)!r}",
            f"nox -s {context.session} -- {FILE}",
        )
    if not arguments.rest:
        return results.own_folder(context.root) / FILE
    target = context.root / Path(arguments.rest[0]).expanduser()
    if target.is_dir() or not target.parent.is_dir():
        why = "it is a folder" if target.is_dir() else f"there is no folder {os.path.relpath(target.parent)}"
        raise UsageError(f"{context.session}: {arguments.rest[0]}: {why}", "name a file in a folder that is there")
    return target


def _pythons(context: Context, project: Project, arguments: Arguments) -> tuple[str, ...]:
    unknown = [python for python in arguments["python"] if python not in project.pythons]
    if unknown:
        known = ", ".join(project.pythons)
        raise UsageError(f"{context.session}: the project has no Python {unknown[0]!r}", f"its Pythons are {known}")
    return tuple(arguments["python"]) or project.pythons


def _image(project: Project, python: str, docker: Docker, effort: Effort) -> archive.Image:
    locked = container_ground.lock_of(project, python, docker, effort)
    testground = image.find_or_build(project, python, locked, docker, build=effort == "all")
    return archive.Image(python, testground.reference, testground.id, testground.fingerprint)
