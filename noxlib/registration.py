"""The table of sessions: names, umbrellas, tags and the error boundary. The only module that calls ``nox.session``."""

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
from typing import Any, Callable, NoReturn, Optional, Union

import msgspec
import nox

from noxlib.errors import Cancelled, NoxlibError, UsageError, of_machine
from noxlib.sessions.arguments import HelpShown
from noxlib.sessions.context import Context

Body = Callable[[Context], None]
GROUND = "testground"  #: tag of the steps that make testgrounds


class Step(msgspec.Struct, frozen=True):
    """One row of the table.

    ``home`` is the module below ``noxlib.sessions`` whose ``run`` carries the step out; a project's own step brings a
    function instead.
    """

    name: str
    purpose: str
    home: Union[str, Body]  # noqa: UP007 - msgspec resolves it on Python 3.9
    per_python: bool = False
    umbrella: bool = True  #: a step per Python also has a session without one, which runs them all
    default: bool = False  #: part of a bare ``nox``
    tags: tuple[str, ...] = ()


STEPS: tuple[Step, ...] = (
    Step("unit", "Run the unit tests in the testground.", "unit", per_python=True, default=True, tags=("test",)),
    Step(
        "compose_integration",
        "Run the integration tests with the services of the compose file.",
        "compose_integration",
        per_python=True,
        tags=("services",),
    ),
    Step("compose_lint", "Find what in the compose file would collide or hang.", "compose_lint", tags=("check",)),
    Step("integration", "Run a level of the integration tests.", "integration", per_python=True, tags=("test",)),
    Step("script", "Run the project's test.sh as a suite.", "script", tags=("test",)),
    Step("vmtest", "Run the tests that need a machine, in a virtual one.", "vmtest", per_python=True, tags=("test",)),
    Step("golden_image", "Make the image that virtual machines start from.", "golden_image", tags=(GROUND,)),
    Step("testground_build", "Build the testground's image.", "testground_build", per_python=True, tags=(GROUND,)),
    Step("testground_lock", "Write the lock of each Python into the checkout.", "testground_lock", tags=(GROUND,)),
    Step(
        "testground_shell",
        "Open a shell in the very environment that the tests get.",
        "testground_shell",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step(
        "testground_publish",
        "Push the testground's tags of this CI event to the registry.",
        "testground_publish",
        per_python=True,
        tags=(GROUND,),
    ),
    Step(
        "testground_index",
        "Join what single platforms have published into one index.",
        "testground_index",
        per_python=True,
        tags=(GROUND,),
    ),
    Step(
        "testground_pull",
        "Pull the published testground of a commit, branch, release or digest.",
        "testground_pull",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step(
        "testground_verify",
        "Build what is published again, and compare both.",
        "testground_verify",
        per_python=True,
        umbrella=False,
        tags=(GROUND,),
    ),
    Step("testground_diff", "Show what differs between two testgrounds.", "testground_diff", tags=(GROUND,)),
    Step("testground_list", "List what is published, and what of it is here.", "testground_list", tags=(GROUND,)),
    Step("testground_export", "Write all testgrounds into one archive.", "testground_export", tags=(GROUND,)),
    Step("testground_load", "Load the testgrounds of an archive.", "testground_load", tags=(GROUND,)),
    Step("testground_load", "Load one Python's testground.", "testground_load", True, False, tags=(GROUND,)),
    Step("testground_cleanup", "Plan and delete outdated published testgrounds.", "testground_cleanup", tags=(GROUND,)),
    Step("sanity", "Run the sanity tests on a machine: -- root@host.", "sanity", tags=("test",)),
    Step("hpc_submit", "Submit a suite to a Slurm cluster, as an array of tasks.", "hpc_submit", tags=("hpc",)),
    Step("hpc_status", "Show what was submitted and how far it is.", "hpc_status", tags=("hpc",)),
    Step("hpc_fetch", "Get the results of what was submitted.", "hpc_fetch", tags=("hpc",)),
    Step("hpc_cancel", "Stop what was submitted.", "hpc_cancel", tags=("hpc",)),
    Step("hpc_simulation", "Bring up a Slurm cluster in containers.", "hpc_simulation", tags=("hpc",)),
    Step("coverage", "Combine the coverage of all Pythons into one report.", "coverage", tags=("report",)),
    Step("ci_matrix", "Say which sessions an event of CI asks for.", "ci_matrix", tags=("report",)),
    Step("report", "Show records as a table, JUnit and a job summary.", "report", tags=("report",)),
    Step("alert", "Tell a webhook of records that are bad enough.", "alert", tags=("report",)),
    Step("reproduce", "Run a test of a record again, in its very image.", "reproduce", tags=("test",)),
    Step("perf_compare", "Compare the speed of two commits.", "perf_compare", tags=("bench",)),
    Step("doctor", "Show what was detected and what is missing.", "doctor", tags=("care",)),
    Step("reap", "Remove what dead runs left behind.", "reap", tags=("care",)),
    Step("lint", "Check the code's style.", "lint", tags=("check",)),
    Step("types", "Check the code's types.", "types", tags=("check",)),
    Step("docs", "Build the documentation; a warning is an error.", "docs", tags=("check",)),
    Step("bench", "Run the project's benchmarks.", "bench", tags=("bench",)),
)


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
        refusal = of_machine(error)
        if refusal is None:
            raise
        _tell(session, refusal)
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell(session: nox.Session, error: NoxlibError) -> NoReturn:
    sys.stdout.flush()
    session.error(f"{error.what}\n  {error.todo}" if error.todo else error.what)


def _terminated(number: int, _frame: Optional[FrameType]) -> None:
    raise Cancelled(f"stopped by signal {number}", "nothing is left running; start the session again when you like")
