"""``testground_load``: the testgrounds of an archive into the engine, after every byte of it was checked."""

from __future__ import annotations

from noxlib.engines import archive, images
from noxlib.engines.docker import Docker
from noxlib.errors import EngineError, UsageError
from noxlib.places import box
from noxlib.sessions import placing, reaping, testground_export
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say


def run(context: Context) -> None:
    """Carry the step out; the one word after the options is the file, default ``.noxlib/testgrounds.tar.zst``.

    Raises:
        UsageError: there is no such file.
        CacheError: the archive is damaged; nothing was loaded.
        EngineError: the engine refuses it.
    """
    arguments = context.parse(DRY_RUN)
    path = testground_export.file_of(context, arguments)
    reaping.sweep(context.root)
    if not path.is_file():
        raise UsageError(f"{context.session}: there is no file {path}", "make it: nox -s testground_export")
    with path.open("rb") as file:
        say(f"noxlib: checking {testground_export.shown(context, path)}")
        contents = archive.verify(file, str(path))
        docker = placing.engine()
        if arguments["dry_run"]:
            say(f"{context.session}: would load {', '.join(entry.reference for entry in contents.images)}")
            return
        here = [entry for entry in contents.images if docker.image(entry.id) is not None]
        if len(here) < len(contents.images):
            images.load(file, docker)
    for entry in contents.images:
        if entry in here:
            images.tag(entry.id, entry.reference, docker)
        say(f"{context.session}: {entry.reference} {_checked(entry, docker)}{' (was here)' if entry in here else ''}")


def _checked(entry: archive.Image, docker: Docker) -> str:
    """The id of a testground that was loaded; engines of another kind name the same image by another id."""
    info = docker.image(entry.reference)
    if info is None or info.labels.get(f"{box.LABEL}fingerprint") != entry.fingerprint:
        raise EngineError(f"{entry.reference} is not in the engine after loading", "see the engine's own log")
    return info.id
