"""``testground_list``: what is published, newest first: tags, digest, size, age, and what of it is here."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.engines import revisions
from noxlib.engines.docker import Docker
from noxlib.engines.versions import RegistryStore
from noxlib.errors import EngineError
from noxlib.sessions import placing, reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import names, remote
from noxlib.testground.retention import Version, subject
from noxlib.testground.survey import survey

JSON = Option("--json", "print JSON instead of a table")
_DAY = 86400.0


class Listed(msgspec.Struct, frozen=True):
    """One published image with all its tags. What is not known is null."""

    tags: tuple[str, ...]
    pythons: tuple[str, ...]
    digest: str
    size: int  #: bytes of its layers, as they are in the registry
    days: Optional[float]  #: since it was made, or published last
    local: Optional[bool]  #: in the engine here; null where no engine answers


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        ConfigError: no registry is known.
        EngineError: the registry fails.
    """
    arguments = context.parse(JSON, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    image = remote.image_of(project)
    if arguments["dry_run"]:
        say(f"{context.session}: would read the tags of {image}")
        return
    if not arguments["json"]:
        say(f"noxlib: reading the tags of {image}")
    store = RegistryStore(remote.open_registry(image))
    versions = survey(store, lambda commits: revisions.times(context.root, commits))
    listed = rows(versions, image, _engine(), time.time())
    if arguments["json"]:
        say(msgspec.json.format(msgspec.json.encode(listed), indent=1).decode())
    else:
        _print(context, listed, image)
        if unread(versions):
            say(f"noxlib: the registry lists tags that it cannot show: {' '.join(unread(versions))}")


def unread(versions: tuple[Version, ...]) -> tuple[str, ...]:
    """Tags that are listed and stand for nothing: what they named is damaged or gone."""
    return tuple(tag for version in versions if not version.digest for tag in version.tags)


def rows(versions: tuple[Version, ...], image: str, docker: Optional[Docker], now: float) -> tuple[Listed, ...]:
    """The versions that have a tag, newest first; those of unknown age come last. Attachments are left out."""
    tagged = [version for version in versions if version.tags and version.digest and not subject(version)]
    order = sorted(tagged, key=lambda version: (-(version.used or 0.0), version.tags))
    sizes = {version.digest: version.size for version in versions}
    return tuple(_row(version, sizes, image, docker, now) for version in order)


def _row(version: Version, sizes: Mapping[str, int], image: str, docker: Optional[Docker], now: float) -> Listed:
    """An index is as large as its parts, and here where one of them is: an engine takes its own."""
    parts = (version.digest, *version.children)
    pythons = {names.read(tag).python for tag in version.tags} - {""}
    return Listed(
        tags=tuple(sorted(version.tags, key=_rank)),
        pythons=tuple(sorted(pythons)),
        digest=version.digest,
        size=sum(sizes.get(digest, 0) for digest in parts),
        days=None if version.used is None else max(now - version.used, 0.0) / _DAY,
        local=None if docker is None else any(docker.image(f"{image}@{digest}") for digest in parts),
    )


def _rank(tag: str) -> tuple[int, str]:
    """What people call it before what machines do."""
    return ({"commit": 1, "fingerprint": 2}.get(names.read(tag).kind, 0), tag)


def _engine() -> Optional[Docker]:
    try:
        return placing.engine()
    except EngineError:
        return None


def _print(context: Context, listed: tuple[Listed, ...], image: str) -> None:
    say(f"{'DIGEST':12} {'AGE':>6} {'SIZE':>10}  {'HERE':4}  TAGS")
    for row in listed:
        age = "?" if row.days is None else f"{row.days:.0f} d"
        here = {True: "yes", False: "no", None: "?"}[row.local]
        say(f"{row.digest[7:19]} {age:>6} {row.size / 1e6:>7.1f} MB  {here:4}  {' '.join(row.tags)}")
    say(f"{context.session}: {headline(listed, image)}")


def headline(listed: tuple[Listed, ...], image: str) -> str:
    """One line over all of it."""
    tags, local = sum(len(row.tags) for row in listed), sum(row.local is True for row in listed)
    unknown = any(row.local is None for row in listed)
    here = "no container engine says which are here" if unknown else f"{local} of them here"
    return f"{tags} tags of {len(listed)} images in {image}, {here}"
