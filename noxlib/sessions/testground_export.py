"""``testground_export``: the testgrounds of all Pythons in one file, layers that they share once."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from noxlib import temporary
from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import frames, imagelayers
from noxlib.engines.archive import Archive
from noxlib.engines.archiveformat import Base
from noxlib.engines.docker import Docker
from noxlib.errors import UsageError
from noxlib.sessions import container_ground, placing, reaping
from noxlib.sessions.arguments import DRY_RUN, NO_BUILD, Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Effort
from noxlib.testground import archiving, bundle, image, results
from noxlib.testground.archiving import Layers, Wanted
from noxlib.testground.image import Testground

PYTHON = Option("--python", "this Python only; may be given again", "X", many=True)
BASE = Option(
    "--base", "leave out what another archive, or an image of the engine, has; may be given again", "OLD", many=True
)
BUNDLE = Option("--bundle", "add what a machine without a network needs: locks, wheels, what builds the project")
SIF = Option("--sif", "add each testground as an Apptainer image")
FILE = "testgrounds.tar.zst"
_BEGINNINGS = (b"\x28\xb5\x2f\xfd", b"blobs\0")  # of zstd, and of a tar of images


def run(context: Context) -> None:
    """Carry the step out; the one word after the options is the file, default ``.noxlib/testgrounds.tar.zst``.

    Raises:
        UsageError: there is more than one word, a Python that the project does not have, or a file of another kind.
        MachineError: the file cannot be written.
    """
    arguments = context.parse(PYTHON, BASE, BUNDLE, SIF, NO_BUILD, DRY_RUN)
    project = load_project(context.root)
    pythons = _pythons(context, project, arguments)
    target = file_of(context, arguments)
    _check_replaceable(context, target)
    reaping.sweep(context.root)
    docker = placing.engine()
    base = _base(context, project, arguments["base"], docker)
    if arguments["dry_run"]:
        say(f"{context.session}: would write {shown(context, target)} with Python {', '.join(pythons)}")
        return
    effort: Effort = "no-build" if arguments["no_build"] else "all"
    found = [_testground(project, python, docker, effort) for python in pythons]
    with temporary.folder(target.parent, ".noxlib-export-") as aside:
        wanted, files = _with_bundle(project, found, docker, aside, arguments)
        say(f"noxlib: saving {len(wanted)} images")
        contents = archiving.export(
            wanted, project.name, docker, aside / FILE, base=base, files=files, level=_level(target)
        )
        (aside / FILE).replace(target)
    size = f"{target.stat().st_size / 1e6:.0f} MB"
    needs = f", a delta that needs {', '.join(one.reference for one in contents.base)}" if contents.base else ""
    say(f"{context.session}: {shown(context, target)}: Python {', '.join(pythons)} in {size}{needs}")


def _level(target: Path) -> int:
    """Apptainer reads no zstd: a file that is called ``….tar`` is one, as it is."""
    return 0 if target.suffix == ".tar" else frames.LEVEL


def shown(context: Context, path: Path) -> str:
    """A path as a user in the checkout would write it."""
    return os.path.relpath(path, context.root) if context.root in path.parents else str(path)


def file_of(context: Context, arguments: Arguments) -> Path:
    """The archive that is meant. Raises UsageError."""
    if len(arguments.rest) > 1 or any(word.startswith("-") or not word for word in arguments.rest):
        raise UsageError(
            f"{context.session} takes one file, not {' '.join(arguments.rest)!r:.200}",
            f"nox -s {context.session} -- {FILE}",
        )
    if not arguments.rest:
        return results.own_folder(context.root) / FILE
    target = context.root / Path(arguments.rest[0]).expanduser()
    if target.is_dir() or not target.parent.is_dir():
        why = "it is a folder" if target.is_dir() else f"there is no folder {shown(context, target.parent)}"
        raise UsageError(f"{context.session}: {arguments.rest[0]}: {why}", "name a file in a folder that is there")
    return target


def _check_replaceable(context: Context, target: Path) -> None:
    """An archive is replaced; a file of another kind was named by mistake. Raises UsageError, OSError."""
    if not os.path.lexists(target):
        return
    plain = stat.S_ISREG(target.lstat().st_mode)
    if plain:
        with target.open("rb") as file:
            first = file.read(8)
            plain = not first or first.startswith(_BEGINNINGS)
    if not plain:
        raise UsageError(
            f"{context.session}: {shown(context, target)} is there and is no archive: it is left as it is",
            "name another file, or remove that one",
        )


def _pythons(context: Context, project: Project, arguments: Arguments) -> tuple[str, ...]:
    unknown = [python for python in arguments["python"] if python not in project.pythons]
    if unknown:
        known = ", ".join(project.pythons)
        raise UsageError(f"{context.session}: the project has no Python {unknown[0]!r}", f"its Pythons are {known}")
    return tuple(dict.fromkeys(arguments["python"])) or project.pythons


def _testground(project: Project, python: str, docker: Docker, effort: Effort) -> Testground:
    locked = container_ground.lock_of(project, python, docker, effort)
    return image.find_or_build(project, python, locked, docker, build=effort == "all")


def _with_bundle(
    project: Project, found: list[Testground], docker: Docker, aside: Path, arguments: Arguments
) -> tuple[list[Wanted], dict[str, Path]]:
    """The images that go into the archive, and the files beside them."""
    wanted = [Wanted(one.python, one.reference, one.fingerprint) for one in found]
    files: dict[str, Path] = {}
    if arguments["bundle"]:
        wanted += [builder for one in found for builder in bundle.builders(project, one, docker)]
        files.update(bundle.of_environments(project, [one.python for one in found if not one.own_dockerfile], aside))
    for one in found if arguments["bundle"] or arguments["sif"] else ():
        files.update(bundle.files(project, one, docker, aside, sif=arguments["sif"]))
    return wanted, files


def _base(context: Context, project: Project, words: list[str], docker: Docker) -> dict[Base, Layers]:
    """What the other side has, by the words of ``--base``. Raises UsageError, CacheError."""
    found: dict[Base, Layers] = {}
    for word in words:
        path = context.root / Path(word).expanduser()
        if path.is_file():
            with path.open("rb") as file:
                opened = Archive(file, word)
                archiving.check_project(opened, project.name)
                found.update(archiving.base_of(opened))
        elif (info := docker.image(word)) is not None:
            found[Base("", word, info.id)] = imagelayers.of(word, docker)
        else:
            raise UsageError(
                f"{context.session}: --base {word}: there is no such file, and no such image in the engine",
                "name an archive, or an image as `docker image ls` does",
            )
    return found
