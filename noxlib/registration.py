"""Steps as nox sessions: names, umbrellas, tags, the error boundary. The only module that calls ``nox.session``."""

from __future__ import annotations

import atexit
import functools
import gc
import inspect
import logging
import os
import signal
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Callable, NoReturn, Optional

import msgspec
import nox

from noxlib.errors import Cancelled, NoxlibError, UsageError
from noxlib.sessions.arguments import HelpShown
from noxlib.sessions.context import Context
from noxlib.steps import STEPS, Body, Step


def register(
    *,
    only: Optional[Collection[str]] = None,
    tags: Optional[Mapping[str, Sequence[str]]] = None,
    steps: Sequence[Step] = (),
) -> None:
    """Register noxlib's sessions with nox. ``nox.options`` is left alone.

    Args:
        only: Names of noxlib's steps to register; default: all of them.
        tags: Step name -> the tags that its sessions get instead of ours.
        steps: The project's own steps, beside ours; their ``home`` is a function that takes a Context.

    Raises:
        SystemExit: the configuration cannot be read, or a name is unknown; the text is two lines.
    """
    try:
        table = (*_chosen(STEPS, only, tags or {}), *steps)
        root = Path.cwd()
        pythons = _pythons(root) if any(step.per_python for step in table) else ()
    except NoxlibError as error:
        raise SystemExit(f"noxlib: {error}") from None
    for step in table:
        _register_step(step, pythons, root)
    # At its end Python looks through every object for cycles to free, just before the process is gone anyway: 20 ms.
    if hasattr(gc, "freeze"):  # not on PyPy
        atexit.register(gc.freeze)


def _pythons(root: Path) -> tuple[str, ...]:
    from noxlib.config.load import load_config  # noqa: PLC0415 - a noxfile of single steps needs none of it
    from noxlib.config.pythons import detect_pythons  # noqa: PLC0415

    return detect_pythons(root, load_config(root))


def _chosen(
    table: tuple[Step, ...], only: Optional[Collection[str]], tags: Mapping[str, Sequence[str]]
) -> tuple[Step, ...]:
    names = {step.name for step in table}
    for name in (*(only or ()), *tags):
        if name not in names:
            raise UsageError(f"there is no step {name!r}", f"the steps are {', '.join(sorted(names))}")
    kept = [step for step in table if only is None or step.name in only]
    return tuple(
        msgspec.structs.replace(step, tags=tuple(tags[step.name])) if step.name in tags else step for step in kept
    )


def _register_step(step: Step, pythons: tuple[str, ...], root: Path) -> None:
    if not step.per_python:
        _add(step.name, _body(step, step.name, "", root), step, default=step.default)
        return
    names = [f"{step.name}-{python}" for python in pythons]
    for name, python in zip(names, pythons):
        _add(name, _body(step, name, python, root), step, python=python, default=step.default)
    if step.umbrella:
        _add(step.name, _umbrella(step, names), step, default=False, requires=names)


def _add(name: str, body: Callable[[nox.Session], None], step: Step, **keywords: Any) -> None:
    """Two calls, since ``nox.session(function, name=…)`` does not pass a type checker."""
    wanted = {"venv_backend": "none", "tags": list(step.tags), "allow_parallel": True, **keywords}
    # An older nox, the newest one for Python 3.9 among them, lacks some keywords.
    nox.session(name=name, **{key: value for key, value in wanted.items() if key in _known()})(body)


@functools.cache
def _known() -> frozenset[str]:
    """The keywords of the installed nox."""
    return frozenset(inspect.signature(nox.session).parameters)


def _umbrella(step: Step, names: Sequence[str]) -> Callable[[nox.Session], None]:
    def umbrella(session: nox.Session) -> None:
        if "requires" not in _known():  # nox before 2025.05
            for name in names:
                session.notify(name)

    umbrella.__doc__ = f"{step.purpose.rstrip('.')}, on every Python."
    return umbrella


def _body(step: Step, name: str, python: str, root: Path) -> Callable[[nox.Session], None]:
    def body(session: nox.Session) -> None:
        # What follows `--` reaches every session of the run; one that is only required by another leaves it alone.
        context = Context(name, step.name, step.purpose, python, root, tuple(session.posargs))
        _quieten_libraries()
        with _boundary(session):
            _home(step)(context)

    body.__doc__ = step.purpose
    return body


def _quieten_libraries() -> None:
    """Without this nox shows whatever any logger says: each request to the engine, each command with its values."""
    for name in ("docker", "python_on_whales", "urllib3", "filelock"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _home(step: Step) -> Body:
    if not isinstance(step.home, str):
        return step.home
    from importlib import import_module  # noqa: PLC0415 - a step is imported when it runs

    run: Body = import_module(f"noxlib.sessions.{step.home}").run
    return run


@contextmanager
def _boundary(session: nox.Session) -> Iterator[None]:
    """Every failure leaves a step here, as two lines; SIGTERM becomes an exception so that ``finally`` runs."""
    before = signal.signal(signal.SIGTERM, _terminated)
    try:
        yield
    except HelpShown:
        return
    except NoxlibError as error:
        _tell(session, error)
    except BrokenPipeError:  # whoever read our output, `head` say, has gone: nobody is left to be told
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        from noxlib.ledger import refusal  # noqa: PLC0415 - listing sessions needs none of it

        refused = refusal(error)
        if refused is None:
            raise
        _tell(session, refused)
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(session: nox.Session, error: NoxlibError) -> NoReturn:
    sys.stdout.flush()
    session.error(f"{error.what}\n  {error.todo}" if error.todo else error.what)


def _terminated(number: int, _frame: Optional[FrameType]) -> None:
    raise Cancelled(f"stopped by signal {number}", "nothing is left running; start the session again when you like")
