"""``ci_matrix``: which sessions an event of CI asks for, as JSON that GitHub Actions takes as a job's matrix."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import nox

from noxlib.config import event
from noxlib.config.detect import load_project
from noxlib.config.lanes import Lane, Occasion, lanes, occasion
from noxlib.config.models import ScriptConfig, SuiteConfig
from noxlib.config.project import Project
from noxlib.config.pythons import newest
from noxlib.engines import git
from noxlib.errors import UsageError
from noxlib.sessions import docs, types
from noxlib.sessions.arguments import Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.writing import append

OUTPUT = Option("--github-output", "write the outputs of a step of GitHub Actions, one line each, instead of JSON")
SPARE = 10  #: minutes of a job beside its suite: checkout, testground, records
LONGEST = 360  #: minutes that GitHub lets a job run
#: GitHub's machines by their architecture.
RUNNERS = {"amd64": "ubuntu-24.04", "arm64": "ubuntu-24.04-arm"}


class Suite(msgspec.Struct, frozen=True):
    """One job: ``nox -s SESSION -- ARGUMENTS``, within so many minutes, on a machine of that architecture."""

    session: str
    step: str
    lane: Lane
    arguments: str
    minutes: int
    architecture: str
    runner: str


class Machine(msgspec.Struct, frozen=True):
    """One job that builds a testground for its own architecture."""

    architecture: str  #: ``amd64``, as in ``linux/amd64``
    runner: str


class Suites(msgspec.Struct, frozen=True):
    """What GitHub Actions takes as ``strategy.matrix``."""

    include: tuple[Suite, ...]


class Machines(msgspec.Struct, frozen=True):
    """What GitHub Actions takes as ``strategy.matrix``."""

    include: tuple[Machine, ...]


class Testground(msgspec.Struct, frozen=True):
    """One Python: where its testground is built, and what waits for that and for nothing else.

    A session whose name holds no Python belongs to the testground that it takes, that of the newest one by default.
    """

    python: str
    machines: Machines
    suites: Suites
    tested: bool  #: whether there are suites: an empty matrix is an error
    index: bool  #: whether there are several platforms to join


class Testgrounds(msgspec.Struct, frozen=True):
    """What GitHub Actions takes as ``strategy.matrix``."""

    include: tuple[Testground, ...]


class Outputs(msgspec.Struct, frozen=True):
    """All that a workflow needs to know, each an output of its own. Without lanes there is nothing to do."""

    lanes: tuple[Lane, ...]
    checks: tuple[str, ...]  #: sessions without a testground: lint, types, docs
    testgrounds: Testgrounds


class _Row(msgspec.Struct, frozen=True):
    """A step in a lane. ``of_use``: whether the project has tests of that kind, as far as its files say."""

    lane: Lane
    step: str
    arguments: str = ""
    of_use: Callable[[Project], bool] = lambda _: True


def _has_integration(project: Project) -> bool:
    suite = project.config.integration
    return suite != type(suite)() or (project.root / "tests" / "integration").is_dir()


def _has_script(project: Project) -> bool:
    return (project.root / project.config.script.path).is_file()


def _has_services(project: Project) -> bool:
    return (project.root / project.config.compose_integration.file).is_file()


_CHECKS: dict[str, Callable[[Project], bool]] = {
    "lint": lambda _: True,
    "types": lambda project: types.configured(project.root),
    "docs": lambda project: docs.configured(project.root),
}
_ROWS: tuple[_Row, ...] = (
    _Row("basic", "unit", "--coverage"),
    _Row("basic", "integration", "--level basic", _has_integration),
    _Row("basic", "script", "", _has_script),
    _Row("basic", "compose_integration", "", _has_services),
    _Row("extended", "integration", "--level extended", _has_integration),
    _Row("cloud", "integration", "--env-config cloud-hpc", _has_integration),
)
#: Steps that run in a testground: a job of theirs takes the one that was built for it.
_IN_TESTGROUND = frozenset({*(row.step for row in _ROWS), "vmtest", "sanity", "hpc_submit"})


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        UsageError: an unknown name, or no file for the outputs.
    """
    arguments = context.parse(OUTPUT)
    project = load_project(context.root)
    outputs = of(project, table(), lanes(asked(context.root, dict(os.environ))), arguments.rest)
    if arguments["github_output"]:
        _write(outputs)
    else:
        say(msgspec.json.format(msgspec.json.encode(outputs), indent=2).decode())


def asked(root: Path, environ: dict[str, str]) -> Occasion:
    """The occasion as GitHub tells it; the message of a pull request's head, which it does not tell, from git."""
    found = occasion(environ, event.payload(environ.get("GITHUB_EVENT_PATH")))
    if found.message or not found.commit:
        return found
    return msgspec.structs.replace(found, message=git.message(root, found.commit) or "")


def table() -> dict[str, tuple[str, ...]]:
    """The registered steps and their Pythons, none for a step without; the project's own steps too."""
    found: dict[str, list[str]] = {}
    for name, function in nox.registry.get().items():
        python = function.python if isinstance(function.python, str) else ""
        step = name[: -len(python) - 1] if python and name.endswith(f"-{python}") else name
        found.setdefault(step, []).extend([python] if python else [])
    return {step: tuple(pythons) for step, pythons in found.items()}


def of(
    project: Project, steps: dict[str, tuple[str, ...]], wanted: tuple[Lane, ...], names: tuple[str, ...]
) -> Outputs:
    """The sessions of those lanes.

    Args:
        project: Says which kinds of tests there are.
        steps: The registered steps and their Pythons.
        wanted: The lanes.
        names: The only steps to take, whether the project seems to have such tests or not; none: all of use.

    Raises:
        UsageError: there is no such step.
    """
    for name in names:
        if name not in steps:
            step = name.rpartition("-")[0]
            known = f"name {step}, without a Python" if step in steps else f"the steps are {', '.join(sorted(steps))}"
            raise UsageError(f"ci_matrix: there is no step {name!r:.200}", known)
    rows = [row for row in (*_ROWS, *_others(names)) if row.lane in wanted and row.step in steps]
    rows = [row for row in rows if (row.step in names if names else row.of_use(project))]
    checks = tuple(name for name, of_use in _CHECKS.items() if name in steps and of_use(project))
    machines = _machines(project)
    pairs = [pair for row in rows for pair in _suites(row, project, steps, machines)]
    pythons = dict.fromkeys((*(project.pythons if wanted else ()), *(python for python, _ in pairs)))
    testgrounds = tuple(_testground(python, machines, pairs) for python in pythons)
    return Outputs(wanted, checks if wanted else (), Testgrounds(testgrounds))


def _testground(python: str, machines: tuple[Machine, ...], pairs: list[tuple[str, Suite]]) -> Testground:
    suites = tuple(suite for own, suite in pairs if own == python)
    return Testground(python, Machines(machines), Suites(suites), tested=bool(suites), index=len(machines) > 1)


def _others(names: tuple[str, ...]) -> Iterator[_Row]:
    """A step that is asked for by name and that we know nothing of belongs to the basic lane."""
    known = {row.step for row in _ROWS}
    return (_Row("basic", name) for name in names if name not in known)


def _suites(
    row: _Row, project: Project, steps: dict[str, tuple[str, ...]], machines: tuple[Machine, ...]
) -> Iterator[tuple[str, Suite]]:
    """The jobs of a row, each with the Python of its testground."""
    suite = getattr(project.config, row.step, None)
    seconds = suite.timeout if isinstance(suite, SuiteConfig) else SuiteConfig().timeout
    other = (suite.python if isinstance(suite, ScriptConfig) else None) or newest(project.pythons)
    minutes = min(math.ceil(seconds / 60) + SPARE, LONGEST)
    for python in steps[row.step] or ("",):
        session = f"{row.step}-{python}" if python else row.step
        for machine in machines:
            words = " ".join(filter(None, ("--no-build" if row.step in _IN_TESTGROUND else "", row.arguments)))
            job = Suite(session, row.step, row.lane, words, minutes, machine.architecture, machine.runner)
            yield python or other, job


def _machines(project: Project) -> tuple[Machine, ...]:
    """Where a testground is built and tested, for each platform a machine of GitHub's that is one itself."""
    architectures = [platform.rpartition("/")[2] for platform in project.config.platforms or ("linux/amd64",)]
    return tuple(Machine(name, RUNNERS[name]) for name in dict.fromkeys(architectures))


def _write(outputs: Outputs) -> None:
    """One ``name=JSON`` a line: JSON has no line feeds of its own."""
    path = os.environ.get("GITHUB_OUTPUT")
    if not path:
        raise UsageError(
            "ci_matrix: GITHUB_OUTPUT names no file", "leave --github-output out: it is for GitHub Actions"
        )
    lines = [f"{name}={msgspec.json.encode(getattr(outputs, name)).decode()}\n" for name in outputs.__struct_fields__]
    append(Path(path), "".join(lines))
    say("".join(lines).rstrip("\n"))
