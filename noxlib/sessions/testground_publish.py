"""``testground_publish-X``: the tags of this CI event, pushed to the project's registry; the digest read back."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from typing import Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.event import Event
from noxlib.config.project import Project
from noxlib.engines import registryauth
from noxlib.engines.registry import Manifest, Registry
from noxlib.engines.registryauth import Credentials
from noxlib.records.record import timestamp
from noxlib.sessions import content, placing, platform_publish, publishable, reaping, writing
from noxlib.sessions.arguments import DRY_RUN, PLATFORMS, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import names, publish, publishing, remote, results
from noxlib.testground.image import Testground
from noxlib.testground.provenance import Completing
from noxlib.testground.pulled import Puller

SIF = Option("--sif", "attach an Apptainer image to what is published; needs apptainer on this machine")


def run(context: Context) -> None:
    """Carry the step out.

    Raises:
        UsageError: there is no CI event, and ``--push`` is not given; a platform is none.
        EngineError: the registry refuses, or a tag that never moves would have to.
    """
    arguments = context.parse(publishable.PUSH, PLATFORMS, SIF, DRY_RUN)
    no_rest(context.session, arguments)
    wanted = platform_publish.wanted(arguments["platform"])
    project = load_project(context.root)
    reaping.sweep(context.root)
    event = publishable.event(context.session, context.root, push=arguments["push"])
    planned = publishing.tags(event)
    if not planned.identifiers:
        _build_only(context, project, event, planned, wanted, dry_run=arguments["dry_run"])
        return
    name = remote.image_of(project)
    if arguments["dry_run"]:
        _show(context, name, planned)
        return
    if wanted:
        platform_publish.run(context, project, wanted, planned, event.commit, sif=arguments["sif"])
        return
    _publish(context, project, name, planned, event.commit, sif=arguments["sif"])


def _build_only(
    context: Context,
    project: Project,
    event: Event,
    planned: publishing.Tags,
    wanted: tuple[str, ...],
    *,
    dry_run: bool,
) -> None:
    """A pull request's testground is built, for the tests and the caches that follow; nothing leaves this machine."""
    said = f"{context.session}: nothing is pushed: {planned.reason}"
    if event.kind == "pull_request" and not dry_run:
        engines = [placing.engine(platform) for platform in wanted or (None,)]  # refused before the first one is built
        built = [content.build(context, project, docker).reference for docker in engines]
        said += f"; built: {', '.join(built)}"
    say(said)


def _show(context: Context, name: str, planned: publishing.Tags) -> None:
    tags = [names.tag(context.python, identifier) for identifier in planned.identifiers]
    told = {"image": name, "python": context.python, "tags": tags, "reason": planned.reason}
    say(msgspec.json.format(msgspec.json.encode(told), indent=2).decode())


def _publish(
    context: Context, project: Project, name: str, planned: publishing.Tags, commit: Optional[str], *, sif: bool
) -> None:
    registry = remote.open_registry(name)
    completing = Completing(project.name, context.python, registry, _credentials(registry), placing.engine, say)
    manifest, here, sent = publish.find(registry, context.python, planned), None, False
    if manifest is None:
        found = content.publish_once(
            context, project, registry, placing.engine(), _credentials(registry), rebuild=planned.rebuild
        )
        manifest, here, sent = found.manifest, found.here, found.sent
        if sent:
            completing.attach_lock(manifest)
    patience = publish.PATIENCE if sent else 0.0
    settled, tags = publish.settle(registry, context.python, planned, manifest, patience=patience)
    if here is not None and not publish.is_image(here, settled):
        _take(context, project, registry, here, settled)
    result = results.Result(
        python=context.python,
        image=name,
        digest=settled.digest,
        tags=tags,
        id=remote.configuration_digest(settled),
        fingerprint=remote.fingerprint(registry, settled),
        commit=commit,
        uploaded=sent and settled.digest == manifest.digest,
        time=timestamp(datetime.now(timezone.utc)),
    )
    _tell(context, result)
    completing.complete(settled, sif=sif)


def _tell(context: Context, result: results.Result) -> None:
    how = "sent" if result.uploaded else "already there"
    say(f"{context.session}: {result.reference} ({how}) as {', '.join(result.tags)}")
    writing.tell_workflow(results.outputs(result), os.environ)
    results.write(context.root, results.PUBLISHED, result)  # last: it is published, whether or not the disk is full


def _take(context: Context, project: Project, registry: Registry, built: Testground, settled: Manifest) -> None:
    """Somebody was first: theirs is what this commit is tested in, here too."""
    say(f"noxlib: {registry.image}@{settled.digest} was published first; it is taken, and the build made here dropped")
    docker = placing.engine()
    publish.drop(built, settled, registry, docker)
    Puller(project, docker, registry, _credentials(registry), say).fetch(context.python, settled.digest)


def _credentials(registry: Registry) -> Optional[Credentials]:
    return registryauth.find(registry.host, os.environ)
