"""The services of ``compose_integration`` by hand: up, down, their logs, their state, and tests at each change."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Optional

from noxlib import atomic
from noxlib.config.checks import nearest
from noxlib.config.detect import load_project
from noxlib.config.models import Config
from noxlib.config.project import Project
from noxlib.engines import compose, process
from noxlib.errors import NoxlibError, PlaceError, UsageError
from noxlib.places import carry, kept_elsewhere, stack
from noxlib.places.mirror import SKIPPED
from noxlib.places.probe import LocalProbe
from noxlib.sessions import compose_files, compose_stack, making, reaping
from noxlib.sessions.arguments import Arguments, Option, no_rest
from noxlib.sessions.compose_stack import OfServices
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.sessions.grounds import Effort

UP = Option("--up", "start and fill the services without tests, and leave them up")
DOWN = Option("--down", "remove the services that are up")
LOGS = Option("--logs", "show the services' logs, or those of the services that follow; on a terminal as they come")
PS = Option("--ps", "show the services that are up")
WATCH = Option("--watch", "run the tests at each change of the checkout, until Ctrl-C")
OPTIONS = (UP, DOWN, LOGS, PS, WATCH)

SHOWN = 3  #: files that changed, in a line
QUIET = 500  #: milliseconds without a change, after which watchfiles lets us look at signals

PlaceOf = Callable[[Config, Arguments], OfServices]


def run(context: Context, arguments: Arguments, place_of: PlaceOf, tests: Callable[[Context], None]) -> bool:
    """Carry out what was asked for by hand; False: it was nothing of that.

    Raises:
        UsageError: two of them were.
        NoxlibError: as its step says.
    """
    asked = [option.name for option in OPTIONS if arguments[option.key]]
    if len(asked) > 1:
        raise UsageError(f"{context.session}: {' and '.join(asked)} at once", "leave one of them out")
    if not asked or arguments["dry_run"]:
        return False
    if asked[0] == WATCH.name:
        watch(context, arguments, tests)
        return True
    project = load_project(context.root)
    reaping.sweep(context.root)
    if asked[0] != LOGS.name:
        no_rest(context.session, arguments)
    if asked[0] == UP.name:
        up(context, project, place_of(project.config, arguments), "no-build" if arguments["no_build"] else "all")
    elif asked[0] == DOWN.name:
        down(context, project)
    elif asked[0] == PS.name:
        show(context, project, arguments["profile"], ("ps", "--all"))
    else:
        follow = ("--follow",) if on_terminal() else ()
        show(context, project, arguments["profile"], ("logs", *follow, *arguments.rest))
    return True


def up(context: Context, project: Project, placement: OfServices, effort: Effort) -> None:
    """Start the services and fill them as for a run, or leave those that are up already as they are.

    Raises:
        NoxlibError: they cannot be started or filled; where their logs are is told.
    """
    folder = context.root / ".noxlib" / "compose" / context.session
    own = project.config.compose_integration
    way = _filled if own.migrate or own.seed else _alone
    services = way(context, project, placement, effort, folder)
    try:
        with services:
            pass
    except NoxlibError:
        say(f"{context.session}: logs of what was started are in {folder.relative_to(context.root)}/logs")
        raise


def _filled(
    context: Context, project: Project, placement: OfServices, effort: Effort, folder: Path
) -> AbstractContextManager[object]:
    """The services beside the place of the tests, where migrations and seeds are carried out."""
    ground = making.ready(context, project, placement, effort)
    atomic.remove_tree(folder)  # of an earlier time: until now another run may have had it
    return ground.host(folder, False)


def _alone(
    context: Context, project: Project, placement: OfServices, effort: Effort, folder: Path
) -> AbstractContextManager[object]:
    """The services without a testground, which nothing wants here."""
    with compose_stack.opened(context, project, placement) as opened:
        atomic.remove_tree(folder)  # as above
        return opened.services(
            folder,
            lambda its: LocalProbe(its.stack, its.addresses),
            run_id=context.session,
            labels={},
            build=effort == "all",
        )


def down(context: Context, project: Project) -> None:
    """Remove the services that are up, at the engine that has them. Raises UsageError where a run has them."""
    kept = compose_stack.kept_of(context, project.config.compose_integration)
    if not kept.take():
        raise UsageError(f"{context.session}: a run has the services that are up", "stop it, or wait for it")
    try:
        docker = kept_elsewhere.engine_of(kept.entry, compose_stack.engine)
        found = docker.containers({compose.PROJECT: kept.project})
        compose.remove(docker, kept.project)
        kept.forget()
    finally:
        kept.release()
    say(f"{context.session}: {f'{len(found)} services removed' if found else 'nothing was up'}")


def show(context: Context, project: Project, profile: Optional[str], words: tuple[str, ...]) -> None:
    """What compose says of the services that are up, without their secrets; in colours on a terminal, plain elsewhere.

    Raises:
        PlaceError: none are up, or compose refuses.
    """
    own = project.config.compose_integration
    kept = compose_stack.kept_of(context, own)
    docker, name = kept_elsewhere.engine_of(kept.entry, compose_stack.engine), kept.project
    if not docker.containers({compose.PROJECT: name}):
        raise PlaceError(f"{context.session}: no services are up", f"nox -s {context.session} -- --up")
    config = compose.Compose(docker, compose_files.of(project), name).config()
    check_names(context.session, words[1:], config["services"])
    seen = sys.stdout.isatty()
    ended = process.stream(
        compose.Compose(docker, (), name).argv(*words, colours=seen and not os.environ.get("NO_COLOR")),
        env=docker.command_environment(),
        plain=not seen,
        secrets=stack.read(config, own.file, own.runner, profile).secrets,
    )
    if ended.code:
        raise PlaceError(f"{context.session}: compose {words[0]} ended with {ended.code}", "its own line stands above")


def check_names(session: str, words: Iterable[str], services: Iterable[str]) -> None:
    """Refuse what names no service: compose shows nothing of it, and is content.

    Raises:
        UsageError: there is such a word.
    """
    known = tuple(sorted(services))
    for word in words:
        if not word.startswith("-") and word not in known:
            raise UsageError(
                f"{session}: there is no service {word!r}; did you mean {nearest(word, known)}?",
                f"there are {', '.join(known)}",
            )


def watch(context: Context, arguments: Arguments, tests: Callable[[Context], None]) -> None:
    """Run the tests, and again at each change; the services stay up in between, and go at the end unless kept.

    Raises:
        UsageError: watchfiles is not installed, or each run would change what is watched.
    """
    project = load_project(context.root)
    if arguments["record"]:
        raise UsageError("--watch and --record at once", "what is recorded is a change: record in a run of its own")
    _watching()  # before there is anything to take down
    try:
        for _ in changes(context.root, project.config.write_back):
            _round(context, tests)
            say(f"{context.session}: waiting for a change (Ctrl-C ends)")
    except KeyboardInterrupt:
        say(f"{context.session}: no longer watching")
    finally:
        if not arguments["keep"]:
            down(context, project)


def _round(context: Context, tests: Callable[[Context], None]) -> None:
    try:
        tests(context)
    except NoxlibError as error:
        if error.outcome == "cancelled":
            raise
        say(str(error))


def _watching() -> None:
    try:
        import watchfiles  # noqa: F401, PLC0415 - an extra
    except ImportError:
        raise UsageError("--watch needs the package watchfiles", "install noxlib[watch]") from None


def changes(root: Path, carried: tuple[str, ...]) -> Iterator[None]:
    """Once at first, and after each change, one while the last was worked at too; what runs write themselves is none.

    Raises:
        UsageError: watchfiles is not installed.
    """
    _watching()
    from watchfiles import DefaultFilter, watch  # noqa: PLC0415 - an extra

    logging.getLogger(watch.__module__).setLevel(logging.WARNING)  # it counts what changed; we name it
    root = root.resolve()

    class Sources(DefaultFilter):
        def __call__(self, change: object, path: str) -> bool:
            name = Path(path).relative_to(root)
            own = bool(SKIPPED & set(name.parts)) or carry.matches(str(name), (*carry.ALWAYS, *carried))
            return not own and super().__call__(change, path)  # type: ignore[arg-type]

    begun = False
    for found in watch(root, watch_filter=Sources(), rust_timeout=QUIET, yield_on_timeout=True, raise_interrupt=True):
        if found:
            names = sorted({str(Path(path).relative_to(root)) for _, path in found})
            say(f"noxlib: changed: {', '.join(names[:SHOWN])}{', …' if len(names) > SHOWN else ''}")
        if found or not begun:
            begun = True
            yield
