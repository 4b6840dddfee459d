"""``testground_publish -- --platform``: one platform's image by its digest; of several, their index under the tags."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Optional

from noxlib.config.project import Project
from noxlib.engines import registryauth
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Manifest, Registry
from noxlib.errors import EngineError
from noxlib.records.record import timestamp
from noxlib.sessions import content, joining, placing, writing
from noxlib.sessions.context import Context, say
from noxlib.testground import index, platforms, publish, publishing, recorded, remote, results
from noxlib.testground.index import Part
from noxlib.testground.provenance import Completing
from noxlib.testground.results import Result


def run(
    context: Context,
    project: Project,
    asked: tuple[str, ...],
    planned: publishing.Tags,
    commit: Optional[str],
    *,
    sif: bool = False,
) -> None:
    """Publish each platform's image; of two or more their index as well, right here.

    Raises:
        PlaceError: there is no emulator, or no base image, for it.
        EngineError: the registry refuses, or the commit was published without it.
    """
    registry = remote.open_registry(remote.image_of(project))
    engines = [placing.engine(platform) for platform in asked]  # refused before the first one is built
    found = [_publish(context, project, registry, docker, planned, commit, sif=sif) for docker in engines]
    if len(found) >= index.TOGETHER:
        joining.join(context, registry, found, planned, commit)


def wanted(asked: Sequence[str]) -> tuple[str, ...]:
    """The platforms that were asked for, each once. Raises UsageError."""
    return tuple(dict.fromkeys(map(platforms.parse, asked)))


def _publish(
    context: Context,
    project: Project,
    registry: Registry,
    docker: Docker,
    planned: publishing.Tags,
    commit: Optional[str],
    *,
    sif: bool,
) -> Part:
    """What is published of the commit already counts; else it goes up under its fingerprint, a tag of no event."""
    credentials = registryauth.find(registry.host, os.environ)
    manifest, sent = _published(registry, context.python, docker.platform, planned), False
    if manifest is None:
        found = content.publish_once(context, project, registry, docker, credentials, rebuild=planned.rebuild)
        manifest, sent = found.manifest, found.sent
    part = _part(registry, manifest.digest, context.python, docker.platform)
    completing = Completing(project.name, context.python, registry, credentials, lambda: docker, say)
    completing.complete(part.manifest, sif=sif)
    _record(context, registry, part, commit, sent=sent)
    return part


def _part(registry: Registry, digest: str, python: str, platform: str) -> Part:
    """What is published under a digest, which is for that platform. Raises EngineError."""
    part = index.read(registry, digest, python)
    if part.platform != platform:
        raise EngineError(
            f"{registry.image}@{part.digest} is for {part.platform or 'no platform'}, not {platform}",
            "see what the base image is made for: docker image inspect",
        )
    return part


def _record(context: Context, registry: Registry, part: Part, commit: Optional[str], *, sent: bool) -> None:
    result = Result(
        python=context.python,
        image=registry.image,
        digest=part.digest,
        tags=(),
        id=remote.configuration_digest(part.manifest),
        fingerprint=part.labels[index.FINGERPRINT],
        commit=commit,
        uploaded=sent,
        platform=part.platform,
        time=timestamp(datetime.now(timezone.utc)),
    )
    path = recorded.write(context.root, result)
    writing.tell_workflow(results.outputs(result), os.environ)
    how = "sent" if sent else "already there"
    say(f"{context.session}: {result.reference} ({how}) for {part.platform}, in {path.relative_to(context.root)}")


def _published(registry: Registry, python: str, platform: str, planned: publishing.Tags) -> Optional[Manifest]:
    """The part of what stands for the commit already; None where nothing does."""
    settled = publish.find(registry, python, planned)
    if settled is None:
        return None
    part, there = index.find(registry, settled, platform)
    if part is None or not settled.is_index:
        raise index.published_first(registry, settled, platform, there)
    return part
