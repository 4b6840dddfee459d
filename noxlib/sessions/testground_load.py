"""``testground_load[-X]``: the testgrounds of an archive into the engine, after each byte of them was checked."""

from __future__ import annotations

import contextlib
from pathlib import Path

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import images
from noxlib.engines.archive import Archive
from noxlib.engines.archiveformat import Image
from noxlib.engines.docker import Docker
from noxlib.errors import EngineError, UsageError
from noxlib.places import box
from noxlib.sessions import placing, reaping, testground_export
from noxlib.sessions.arguments import DRY_RUN, Option
from noxlib.sessions.context import Context, say
from noxlib.testground import archiving, bundle, names
from noxlib.testground.image import builder_reference

BASE = Option("--base", "an archive that a delta was made against; may be given again", "OLD", many=True)


def run(context: Context) -> None:
    """Carry the step out; the one word after the options is the file, default ``.noxlib/testgrounds.tar.zst``.

    Raises:
        UsageError: there is no such file.
        CacheError: the archive is damaged, another project's, or a delta whose base is not here; nothing was loaded.
        EngineError: the engine refuses it.
    """
    arguments = context.parse(BASE, DRY_RUN)
    path = testground_export.file_of(context, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    with contextlib.ExitStack() as files:
        opened = _opened(context, path, project, files)
        bases = [_opened(context, context.root / Path(word).expanduser(), project, files) for word in arguments["base"]]
        say(f"noxlib: checking {testground_export.shown(context, path)}")
        found, members = archiving.chosen(opened, context.python)
        opened.check(members)
        docker = placing.engine()
        if arguments["dry_run"]:
            say(f"{context.session}: would load {', '.join(_reference(project, image) for image in found)}")
            return
        here = _load(opened, bases, {_reference(project, image): image for image in found}, docker)
        ids = {image: _checked(_reference(project, image), image, docker) for image in found}
        told = bundle.install(opened, members, {image.python: own for image, own in ids.items() if not image.builder})
    for image, own in ids.items():
        known = " (was here)" if image in here else ""
        say(f"{context.session}: {_reference(project, image)} {own}{known}")
    for line in told:
        say(f"{context.session}: {line}")
    say(f"{context.session}: read {opened.taken / 1e6:.1f} of {opened.size / 1e6:.1f} MB")


def _opened(context: Context, path: Path, project: Project, files: contextlib.ExitStack) -> Archive:
    if not path.is_file():
        raise UsageError(f"{context.session}: there is no file {path}", "make it: nox -s testground_export")
    opened = Archive(files.enter_context(path.open("rb")), testground_export.shown(context, path))
    archiving.check_project(opened, project.name)
    return opened


def _reference(project: Project, image: Image) -> str:
    """The name by which suites of this checkout find it, whatever name it had where it comes from."""
    tag = names.fingerprint_tag(image.python, image.fingerprint)
    reference = f"{names.image_name(project.name, None, project.config)}:{tag}"
    return builder_reference(reference) if image.builder else reference


def _load(opened: Archive, bases: list[Archive], found: dict[str, Image], docker: Docker) -> list[Image]:
    """Load what the engine does not have, and name the rest; the images that it had."""
    here = [image for image in found.values() if docker.image(image.id) is not None]
    absent = {reference: image for reference, image in found.items() if image not in here}
    where = archiving.sources(opened, absent.values(), bases, docker)
    for base in bases:
        base.check(member for archive, member in where.values() if archive is base)
    if absent:
        images.load(archiving.as_it_is(opened, absent) or archiving.stream(absent, where), docker)
    for reference, image in found.items():
        if image in here:
            images.tag(image.id, reference, docker)
    return here


def _checked(reference: str, image: Image, docker: Docker) -> str:
    """The id of what was loaded; engines of another kind name the same image by another id."""
    info = docker.image(reference)
    if info is None or info.labels.get(f"{box.LABEL}fingerprint") != image.fingerprint:
        raise EngineError(f"{reference} is not in the engine after loading", "see the engine's own log")
    return info.id
