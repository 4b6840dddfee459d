"""``testground_load``: the testgrounds of an archive into the engine, after every byte of it was checked."""

from __future__ import annotations

from noxlib.engines import archive, images
from noxlib.errors import EngineError, UsageError
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
        missing = [entry for entry in contents.images if docker.image(entry.id) is None]
        if arguments["dry_run"]:
            say(f"{context.session}: would load {', '.join(entry.reference for entry in contents.images)}")
            return
        if missing:
            images.load(file, docker)
    for entry in contents.images:
        if docker.image(entry.id) is None:
            raise EngineError(f"{entry.reference} is not in the engine after loading", "see the engine's own log")
        images.tag(entry.id, entry.reference, docker)
        say(f"{context.session}: {entry.reference} {entry.id}{'' if entry in missing else ' (was here)'}")
