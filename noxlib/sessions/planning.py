"""From arguments and a ground to the plan of a run, and from the plan to the command that a host is given."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

import msgspec

from noxlib.config.project import Project
from noxlib.places.host import Command, Layout
from noxlib.plan import Plan, Task
from noxlib.secret import known_secrets
from noxlib.sessions import quarantine
from noxlib.sessions.arguments import Arguments
from noxlib.sessions.context import Context
from noxlib.sessions.grounds import Ground
from noxlib.sessions.suites import Suite

PLACE_GRACE = 15.0  #: seconds that the place waits beyond the suite's own timeout, so that a result is still written


def plan(
    context: Context, project: Project, suite: Suite, arguments: Arguments, ground: Ground, *, interactive: bool = False
) -> Plan:
    """The plan of one suite in one place for one Python: what would be, or will be, carried out."""
    return Plan(
        session=context.session,
        suite=suite.name,
        python=context.python,
        project=project.name,
        place=ground.placement.name,
        place_reason=ground.placement.reason,
        fallback=ground.placement.fallback,
        target=ground.placement.target,
        task=_task(context, project, suite, arguments, ground, interactive=interactive),
        limits=suite.limits,
        image=ground.section.image,
        fingerprint=ground.section.fingerprint,
        lock=ground.section.lock,
        prepared=ground.section.prepared,
        environment=_environment(suite, ground),
        write_back=project.config.write_back,
    )


def command(host: Layout, planned: Plan, log: Path) -> Command:
    """What the host is asked to execute for a plan whose task lies in its scratch folder as ``task.json``."""
    limits = msgspec.structs.replace(planned.limits, timeout=planned.limits.timeout + PLACE_GRACE)
    return Command(
        argv=(host.python, f"{host.inside}/noxlib_inside/run.py", f"{host.scratch}/task.json"),
        environment=planned.environment,
        limits=limits,
        log=log,
        echo=not under_nox_parallel(),
        terminal=planned.task.interactive,
        secrets=known_secrets({**os.environ, **planned.environment}),
    )


def under_nox_parallel() -> bool:
    """Under ``nox -j`` the parent holds every line in memory: the output goes to the log, nox gets the summary."""
    return "--parallel-worker" in sys.argv


def _task(
    context: Context, project: Project, suite: Suite, arguments: Arguments, ground: Ground, *, interactive: bool
) -> Task:
    configured = suite.config.coverage
    wanted = project.coverage if configured is None else configured
    return Task(
        session=context.session,
        suite=suite.name,
        python=context.python,
        workspace=ground.workspace,
        result="result",
        select=suite.select,
        paths=suite.config.paths or project.test_paths,
        arguments=(*suite.args, *suite.config.args, *arguments.rest),
        import_names=ground.import_names,
        import_roots=ground.import_roots,
        timeout=suite.config.timeout,
        coverage=bool(wanted or arguments.values.get("coverage")),
        interactive=interactive,
        script=suite.script,
        root=suite.root,
        reruns=suite.reruns,
        quarantine=() if suite.script else quarantine.current(project, warn=not arguments.values.get("dry_run")),
        profile=suite.profile,
    )


def _environment(suite: Suite, ground: Ground) -> dict[str, str]:
    return {"PYTHONHASHSEED": _hash_seed(), **ground.environment, **suite.env, **suite.config.env}


def _hash_seed() -> str:
    """The caller's own, else one that we draw: only a seed that the record names can be had again."""
    asked = os.environ.get("PYTHONHASHSEED", "")
    return asked if asked.isdigit() else str(secrets.randbelow(2**32))
