"""``testground_publish-X``: the tags of this CI event, pushed to the project's registry; the digest read back."""

from __future__ import annotations

import os

import msgspec

from noxlib.config import event as events
from noxlib.config.detect import load_project
from noxlib.config.event import Event
from noxlib.config.project import Project
from noxlib.engines import git, registryauth
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import UsageError
from noxlib.sessions import container_ground, placing, reaping
from noxlib.sessions.arguments import DRY_RUN, Arguments, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import image, names, publish, publishing, remote, results

PUSH = Option("--push", "publish the checked out commit and branch from this machine, without a CI event")


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        UsageError: there is no CI event, and ``--push`` is not given.
        EngineError: the registry refuses, or a tag that never moves would have to.
    """
    arguments = context.parse(PUSH, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    event = _event(context, arguments, project)
    planned = publishing.tags(event)
    if not planned.identifiers:
        say(f"{context.session}: nothing is pushed: {planned.reason}")
        return
    name = remote.image_of(project)
    if arguments["dry_run"]:
        _show(context, name, planned)
        return
    _publish(context, project, name, planned)


def _event(context: Context, arguments: Arguments, project: Project) -> Event:
    """The event of the CI run, or what ``--push`` stands for."""
    found = events.read(os.environ)
    head = git.head(project.root)
    if arguments["push"]:
        if head is None or head.dirty:
            why = "the tree has uncommitted changes" if head else "there is no commit here"
            raise UsageError(f"{context.session}: {why}, so no commit names what would be pushed", "commit first")
        return Event("push", name="--push", branch=head.branch, commit=head.commit)
    if found.kind == "none":
        raise UsageError(
            f"{context.session}: there is no CI event here that says what to publish",
            f"CI publishes by itself; from this machine: nox -s {context.session} -- --push",
        )
    if found.kind in ("push", "tag") and head is not None and found.commit != head.commit:
        raise UsageError(
            f"{context.session}: the event is about {found.commit}, and {head.commit} is checked out",
            "check out the event's own commit before this step",
        )
    return found


def _show(context: Context, name: str, planned: publishing.Tags) -> None:
    tags = [names.tag(context.python, identifier) for identifier in planned.identifiers]
    told = {"image": name, "python": context.python, "tags": tags, "reason": planned.reason}
    say(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


def _publish(context: Context, project: Project, name: str, planned: publishing.Tags) -> None:
    registry = remote.open_registry(name)
    commit = planned.identifiers[0]
    known = publish.find_commit(registry, context.python, commit)
    uploaded = False
    if known is None:
        known, uploaded = _content(context, project, registry)
    tags = publish.give_tags(registry, context.python, planned, known)
    result = results.Result(
        python=context.python,
        image=name,
        digest=known.digest,
        tags=tags,
        id=remote.configuration_digest(known),
        fingerprint=remote.fingerprint(registry, known),
        commit=commit,
        uploaded=uploaded,
        time=results.now(),
    )
    results.write(context.root, results.PUBLISHED, result)
    results.tell_workflow(result, os.environ)
    how = "sent" if uploaded else "already there"
    say(f"{context.session}: {result.reference} ({how}) as {', '.join(tags)}")


def _content(context: Context, project: Project, registry: Registry) -> tuple[Manifest, bool]:
    """This checkout's testground in the registry: built and sent where it is not there yet."""
    docker = placing.engine()
    locked = container_ground.lock_of(project, context.python, docker, "all")
    testground = image.find_or_build(project, context.python, locked, docker)
    credentials = registryauth.find(registry.host, os.environ)
    return publish.upload(registry, testground, docker, credentials, say)
