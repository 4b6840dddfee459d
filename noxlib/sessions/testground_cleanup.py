"""``testground_cleanup``: a plan of which published testgrounds go; ``--apply PLAN`` carries out exactly that plan."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from noxlib.config.detect import load_project
from noxlib.engines import revisions
from noxlib.errors import EngineError, UsageError
from noxlib.records.record import timestamp
from noxlib.sessions import reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import results, retention, retention_apply, retention_plan, retention_store, survey
from noxlib.testground.retention_apply import Carrying
from noxlib.testground.retention_plan import Plan
from noxlib.testground.retention_rules import Rules, of_config

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxlib.config.project import Project
    from noxlib.engines.versions import Store
    from noxlib.testground.retention import Decision, Version

APPLY = Option("--apply", "delete what this plan says, and nothing else", "PLAN")
RESTORE = Option(
    "--restore", "give back what this plan deleted, within 30 days, where the registry can (GitHub's)", "PLAN"
)
YES = Option("--yes", "delete even if it is a large share of all versions")
FILE = "cleanup.json"
_SHOWN = 200  # versions of which each is told; of more only those that go


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        UsageError: the plan cannot be read, is about another repository, or would delete too much.
        EngineError: the registry fails, or something of the plan could not be deleted.
    """
    arguments = context.parse(APPLY, RESTORE, YES, DRY_RUN)
    no_rest(context.session, arguments)
    if arguments["apply"] and arguments["restore"]:
        raise UsageError(f"{context.session}: --apply and --restore are two things", "give one of them")
    project = load_project(context.root)
    reaping.sweep(context.root)
    store = retention_store.open_store(project, say)
    if arguments["restore"]:
        _restore(context, _read(context, arguments["restore"], store), store, dry_run=arguments["dry_run"])
        return
    plan = _read(context, arguments["apply"], store) if arguments["apply"] else None
    found = _look(context, project, store)
    if plan is None:
        _write(context, found, store, project.config.retention.share, dry_run=arguments["dry_run"])
    elif arguments["dry_run"]:
        count = Carrying(store, found.versions, found.today).rehearse(plan.deletions, _tell)
        say(f"{context.session}: {count} of {len(plan.deletions)} in the plan would be deleted")
    else:
        _refuse_too_many(plan, found.today, project.config.retention.share, yes=arguments["yes"])
        _apply(context, plan, store, found)


class _Found(NamedTuple):
    """The repository at this moment, and what the rules say of it."""

    versions: Sequence[Version]
    rules: Rules
    today: tuple[Decision, ...]


def _read(context: Context, name: str, store: Store) -> Plan:
    return retention_plan.read(context.root / Path(name).expanduser(), store.registry.image, context.session)


def _look(context: Context, project: Project, store: Store) -> _Found:
    say(f"noxlib: reading the versions of {store.registry.image}")
    versions = survey.survey(
        store,
        lambda commits: revisions.times(context.root, commits),
        lambda: revisions.has_all_branches(context.root),
    )
    closed = retention_store.closed_pulls(project, (tag for version in versions for tag in version.tags), say)
    rules = msgspec.structs.replace(of_config(project.config.retention), closed=closed)
    now = retention_store.now(store, time.time(), say)
    return _Found(versions, rules, retention.decide(versions, rules, now, a_tag_stays=store.a_tag_stays))


def _write(context: Context, found: _Found, store: Store, share: float, *, dry_run: bool) -> None:
    """A line a version, and the file."""
    plan = Plan(store.registry.image, timestamp(datetime.now(timezone.utc)), found.rules, found.today)
    for decision in plan.versions:
        if decision.action == "delete" or decision.missing or len(plan.versions) <= _SHOWN:
            _tell(decision, decision.action, decision.reason)
    size = sum(decision.size for decision in plan.deletions)
    line = f"{context.session}: {len(plan.deletions)} of {len(plan.versions)} versions would go, {size / 1e6:.0f} MB"
    if dry_run:
        say(f"{line}; no plan was written")
        return
    path = results.own_folder(context.root) / FILE
    retention_plan.write(path, plan)
    yes = " --yes" if len(plan.deletions) > share * len(plan.versions) else ""
    todo = f"; carry it out: nox -s {context.session} -- --apply {path.relative_to(context.root)}{yes}"
    say(line + (todo if plan.deletions else ""))


def _tell(decision: Decision, action: str, reason: str) -> None:
    age = "?" if decision.days is None else f"{decision.days:.0f}"
    tags = " ".join(decision.tags) or "-"
    broken = f"; BROKEN, {len(decision.missing)} of its parts are missing" if decision.missing else ""
    say(f"{action:6} {decision.digest[7:19]:12} {age:>4} d {decision.size / 1e6:7.1f} MB  {tags}  ({reason}{broken})")


def _refuse_too_many(plan: Plan, today: Sequence[Decision], share: float, *, yes: bool) -> None:
    """A rule, a clock or a plan that is wrong shows itself by deleting most of everything."""
    here = {decision.digest for decision in today}
    count = sum(decision.digest in here for decision in plan.deletions)
    if count > share * len(here) and not yes:
        raise UsageError(
            f"the plan deletes {count} of {len(here)} versions, and without --yes it may be {share:.0%} at most",
            "read the plan; if it is right, give --yes as well (the share is set in [tool.noxlib.retention] share)",
        )


def _apply(context: Context, plan: Plan, store: Store, found: _Found) -> None:
    """Delete, then see that all that is kept is still there, down to each part of an index."""
    carrying = Carrying(store, found.versions, found.today)
    carrying.apply(plan.deletions, _tell)
    gone, failures, refused = carrying.gone, carrying.failures, carrying.refused
    stay = f", {len(refused)} refused by the registry for good" if refused else ""
    say(f"{context.session}: {len(gone)} deleted, {len(failures)} failed, of {len(plan.deletions)} in the plan{stay}")
    left = carrying.remaining(found.versions)
    if not any(error.cause == "lost" for error in failures):
        lost = survey.lost(store.registry, left)
        if lost:
            raise EngineError(f"{len(lost)} that are kept are gone: {', '.join(lost[:5])}", _publish(store))
        say(f"{context.session}: {len(left)} versions are kept, and all of their tags and parts are there")
    if failures:
        raise EngineError(f"{len(failures)} of {len(plan.deletions)} could not be deleted", failures[0].todo)


def _publish(store: Store) -> str:
    back = "restore them (--restore PLAN), or " if store.a_tag_stays else ""
    return f"{back}publish them again from their commits"


def _restore(context: Context, plan: Plan, store: Store, *, dry_run: bool) -> None:
    if dry_run:
        for decision in plan.deletions:
            _tell(decision, "back", "would be restored")
        return
    failures = retention_apply.restore(store, plan.deletions, _tell)
    back = len(plan.deletions) - len(failures)
    say(f"{context.session}: {back} of {len(plan.deletions)} are there")
    if failures:
        raise EngineError(f"{len(failures)} of {len(plan.deletions)} could not be restored", failures[0].todo)
