"""The programs that a compose file has its services start, looked for in their images; nothing is run."""

from __future__ import annotations

import shlex
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from noxlib.places import noted, stack_known
from noxlib.places.stack_lint import Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.ledger import Ledger
    from noxlib.places.stack import Table

#: Words at the start of a shell's command that name no file.
BUILTINS = frozenset(
    """! . : [ [[ { } alias break case cd command continue do done echo elif else esac eval exec exit export false fi
    for function if printf pwd read return set shift source test then trap true type ulimit umask unset until wait
    while""".split()  # noqa: SIM905 - read at a glance
)
ENTRYPOINT = "docker-entrypoint.sh"  #: of official images
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def mistakes(name: str, service: Table, image: ImageInfo, docker: Docker, ledger: Ledger) -> Iterator[Mistake]:
    """What a service's image lacks of what is started in it.

    Raises:
        EngineError: the engine fails.
    """
    wanted = dict(reversed(tuple(named(service, image))))  # of a program that is named twice the first place counts
    lacking = absent(tuple(wanted), image, docker, ledger)
    health = stack_known.health(service)
    for program in lacking:
        key = wanted[program]
        change = {"services": {name: {"healthcheck": health}}} if key == "healthcheck" and health else None
        yield Mistake(
            ("services", name, key),
            f"the image {service['image']} of {name} has no {program}, which its {key} starts",
            "name a program that it has, or another image",
            change,
        )


def named(service: Table, image: ImageInfo) -> Iterator[tuple[str, str]]:
    """Each program that is started, and the key that names it; not what is mounted, or depends on the folder."""
    mounted = [PurePosixPath(one.get("target") or "/") for one in service.get("volumes") or ()]
    for program, key in _all(service, image):
        path = PurePosixPath(program)
        ours = any(target == path or target in path.parents for target in mounted)
        if not ours and (path.is_absolute() or "/" not in program):
            yield program, key


def _all(service: Table, image: ImageInfo) -> Iterator[tuple[str, str]]:
    test: list[str] = (service.get("healthcheck") or {}).get("test") or []
    if test[:1] == ["CMD"] and len(test) > 1:
        yield test[1], "healthcheck"
    elif test[:1] == ["CMD-SHELL"] and len(test) > 1:
        yield from ((word, "healthcheck") for word in ("/bin/sh", *of_shell(test[1])))
    if service.get("entrypoint"):
        yield service["entrypoint"][0], "entrypoint"
    elif service.get("command") and _starts_command(service, image):
        yield service["command"][0], "command"


def _starts_command(service: Table, image: ImageInfo) -> bool:
    """Whether the command's first word is a program.

    It is where the image has no entrypoint, and in the official images of databases but for options and redis' files.
    Other entrypoints of that name have words of their own: ``server`` of vault's, a script for node's.
    """
    if not image.entrypoint:
        return True
    known, word = stack_known.known(service), str(service["command"][0])
    passes_on = known is not None and known.health and PurePosixPath(image.entrypoint[-1]).name == ENTRYPOINT
    return bool(passes_on) and not word.startswith("-") and not word.endswith(".conf")


def of_shell(line: str) -> tuple[str, ...]:
    """The programs that a line of shell starts, as far as it can be told without running it.

    >>> of_shell("curl -f http://localhost/ || exit 1")
    ('curl',)
    """
    try:
        words = list(shlex.shlex(line, posix=True, punctuation_chars=True))
    except ValueError:  # a quote is missing: the shell itself will say so
        return ()
    first = (word for before, word in zip([";", *words], words) if set(before) <= set(";&|()"))
    return tuple(word for word in first if word not in BUILTINS and not set(word) & set("$=;&|()<>`"))


def absent(programs: tuple[str, ...], image: ImageInfo, docker: Docker, ledger: Ledger) -> tuple[str, ...]:
    """Those of the programs that an image has not, looked for as its own PATH says."""
    if not programs:
        return ()
    folders = image.environment.get("PATH", _PATH).split(":")
    with noted.untouched(docker, ledger, "lint", image.id) as name:
        return tuple(program for program in programs if not _has(program, name, folders, docker))


def _has(program: str, container: str, folders: list[str], docker: Docker) -> bool:
    paths = [program] if "/" in program else [f"{folder}/{program}" for folder in folders if folder]
    return any(_exists(path, container, docker) for path in paths)


def _exists(path: str, container: str, docker: Docker) -> bool:
    chunks = docker.get_archive(container, path)
    for _ in chunks or ():  # read to its end, so that the connection serves the next one
        pass
    return chunks is not None
