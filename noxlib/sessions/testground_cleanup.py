"""``testground_cleanup``: a plan of which published testgrounds go; ``--apply PLAN`` carries out exactly that plan."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Optional

from noxlib import atomic
from noxlib.config.detect import load_project
from noxlib.engines import revisions
from noxlib.engines.registry import Registry
from noxlib.errors import EngineError, NoxlibError, UsageError
from noxlib.sessions import reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import remote, results, retention
from noxlib.testground.retention import Decision, Plan, Rules
from noxlib.testground.survey import survey

APPLY = Option("--apply", "delete what this plan says, and nothing else", "PLAN")
FILE = "cleanup.json"
_LIMIT = 256 << 20  # bytes of a plan


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        UsageError: the plan cannot be read, or is about another repository.
        EngineError: the registry fails, or something of the plan could not be deleted.
    """
    arguments = context.parse(APPLY, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    registry = remote.open_registry(remote.image_of(project))
    plan = _read(context, arguments["apply"], registry) if arguments["apply"] else None
    say(f"noxlib: reading the tags of {registry.image}")
    found = survey(registry, lambda commits: revisions.times(context.root, commits))
    now = retention.decide(found, Rules(), time.time())
    if plan is None:
        _write(context, Plan(registry.image, results.now(), Rules(), now), dry_run=arguments["dry_run"])
    elif arguments["dry_run"]:
        _rehearse(context, plan, now, registry)
    else:
        _apply(context, plan, now, registry)


def _write(context: Context, plan: Plan, *, dry_run: bool) -> None:
    """A line a version, and the file."""
    for decision in plan.versions:
        _tell(decision, decision.action, decision.reason)
    size = sum(decision.size for decision in plan.deletions)
    line = f"{context.session}: {len(plan.deletions)} of {len(plan.versions)} versions would go, {size / 1e6:.0f} MB"
    if dry_run:
        say(f"{line}; no plan was written")
        return
    path = results.own_folder(context.root) / FILE
    atomic.write(path, atomic.to_json(plan, indent=1), mode=0o644)
    say(f"{line}; carry it out: nox -s {context.session} -- --apply {path.relative_to(context.root)}")


def _tell(decision: Decision, action: str, reason: str) -> None:
    age = "?" if decision.days is None else f"{decision.days:.0f}"
    tags = " ".join(decision.tags)
    say(f"{action:6} {decision.digest[7:19]} {age:>4} d {decision.size / 1e6:7.1f} MB  {tags}  ({reason})")


def _read(context: Context, name: str, registry: Registry) -> Plan:
    """The plan of a file, about this repository."""
    path = context.root / Path(name).expanduser()
    try:
        if path.stat().st_size > _LIMIT:
            raise ValueError("it is too large")  # noqa: TRY301 - a damage like the others
        plan = atomic.from_json(path.read_bytes(), Plan)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"the plan {name} cannot be read: {why}", f"make one: nox -s {context.session}") from error
    if plan.image != registry.image:
        raise UsageError(
            f"the plan {name} is about {plan.image}, and this project's repository is {registry.image}",
            f"make one for this repository: nox -s {context.session}",
        )
    return plan


def _rehearse(context: Context, plan: Plan, now: tuple[Decision, ...], registry: Registry) -> None:
    """What carrying it out would do at this moment."""
    today = {decision.digest: decision for decision in now}
    objections = [_objection(decision, today.get(decision.digest), registry) for decision in plan.deletions]
    for decision, why in zip(plan.deletions, objections):
        _tell(decision, "keep" if why else "delete", why or decision.reason)
    say(f"{context.session}: {objections.count(None)} of {len(objections)} in the plan would be deleted")


def _apply(context: Context, plan: Plan, now: tuple[Decision, ...], registry: Registry) -> None:
    """Delete what the plan says and the rules still say, one by one; what fails does not stop the rest."""
    today = {decision.digest: decision for decision in now}
    failures: list[NoxlibError] = []
    gone = 0
    for decision in plan.deletions:
        why = _objection(decision, today.get(decision.digest), registry)
        if why is not None:
            _tell(decision, "kept", why)
            continue
        try:
            _delete(decision, registry)
        except NoxlibError as error:
            failures.append(error)
            _tell(decision, "failed", error.what)
        else:
            gone += 1
            _tell(decision, "gone", decision.reason)
    missing = [decision for decision in now if decision.action == "keep" and registry.digest(decision.digest) is None]
    say(f"{context.session}: {gone} deleted, {len(failures)} failed, of {len(plan.deletions)} in the plan")
    if missing:
        lost = ", ".join(missing[0].tags)
        raise EngineError(
            f"{len(missing)} versions that are kept are gone: {lost}", "publish them again from their commits"
        )
    if failures:
        raise EngineError(f"{len(failures)} of {len(plan.deletions)} could not be deleted", failures[0].todo)


def _delete(decision: Decision, registry: Registry) -> None:
    """By digest; then the tags, in a registry that keeps each of them as a manifest of its own."""
    registry.delete(decision.digest)
    for tag in decision.tags:
        if registry.digest(tag) == decision.digest:
            registry.delete(tag)


def _objection(planned: Decision, today: Optional[Decision], registry: Registry) -> Optional[str]:
    """Why a version of the plan is left alone; None: it goes. Asked at the last moment."""
    if today is None:
        return "it is gone already"
    if today.action == "keep":
        return today.reason
    if set(today.tags) != set(planned.tags):
        return f"its tags are others than in the plan: {' '.join(today.tags)}"
    moved = [tag for tag in planned.tags if registry.digest(tag) != planned.digest]
    return f"{moved[0]} has moved since" if moved else None
