"""What the registry tells the doctor: a login, the right to read, tags that are absent, copies here that are old."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Optional

from noxlib.config.project import Project
from noxlib.engines import git, registryauth
from noxlib.engines.docker import Docker
from noxlib.engines.registry import Registry
from noxlib.engines.registryauth import Credentials
from noxlib.engines.registryfailure import meant_for_another, unknown_caller
from noxlib.errors import EngineError, NoxlibError
from noxlib.places import box
from noxlib.sessions import placing
from noxlib.sessions.finding import Finding
from noxlib.testground import names, publishing, remote


def look(project: Project) -> Iterator[Finding]:
    """All findings; the registry is asked once, and with patience for one answer."""
    try:
        image = remote.image_of(project)
        host = registryauth.split(image)[0]
        credentials = registryauth.find(host, os.environ)
    except NoxlibError as error:
        yield Finding("registry", error.what, ok=False, fix=error.todo)
        return
    registry = Registry(image, credentials, attempts=1)
    try:
        tags = registry.tags()
        who = f"as {credentials.user}" if credentials else "without a login"
        yield Finding("registry", f"{image} is read {who}, {len(tags)} tags")
        yield from _published(project, image, tags)
        yield from _outdated(registry)
    except EngineError as error:
        yield refused(error, image, credentials)


def refused(error: EngineError, image: str, credentials: Optional[Credentials]) -> Finding:
    """Why nothing can be read there. Registries answer the same for what is private and what is not there at all."""
    host = registryauth.split(image)[0]
    if error.cause != "credentials":
        return Finding("registry", error.what, ok=False, fix=error.todo)
    if credentials is None:
        said = f"not logged in to {host}, which does not show {image} without a login"
        return Finding("registry", said, ok=False, fix=meant_for_another(host) or f"docker login {host}")
    if unknown_caller(error):
        said = f"{host} does not take the password or token of {credentials.user} (401)"
        return Finding("registry", said, ok=False, fix=error.todo)
    fix = "ask its owner for the right to read; on GitHub: a token with read:packages, in a job `packages: read`"
    return Finding(
        "registry", f"{credentials.user} may not read {image}, if it is there: {error.what}", ok=False, fix=fix
    )


def _published(project: Project, image: str, tags: tuple[str, ...]) -> Iterator[Finding]:
    """For which Pythons this commit's testground is there."""
    head = git.head(project.root)
    if head is None:
        return
    absent = [python for python in project.pythons if names.tag(python, head.commit) not in tags]
    if not absent:
        yield Finding("published", f"this commit, {head.commit[:12]}, for every Python")
        return
    which = "any Python" if len(absent) == len(project.pythons) else f"Python {', '.join(absent)}"
    fix = f"CI publishes what is pushed; until then nox -s testground_pull-{absent[-1]} takes the nearest"
    yield Finding("published", f"{image} has no tag of this commit, {head.commit[:12]}, for {which}", ok=False, fix=fix)


def _outdated(registry: Registry) -> Iterator[Finding]:
    try:
        docker = placing.engine()
    except EngineError:
        return  # which is a finding of its own
    for tag, digests in sorted(copies(docker, registry.image).items()):
        there = registry.digest(tag)
        if there is not None and there not in digests:
            yield _older(tag, min(digests), there)


def copies(docker: Docker, image: str) -> dict[str, frozenset[str]]:
    """The moving tags of a repository that the engine has, and the digests under which it knows each."""
    return of_listing(docker.images({f"{box.LABEL}python": ""}), image)


def of_listing(listed: Iterable[Mapping[str, Any]], image: str) -> dict[str, frozenset[str]]:
    """The same, of what an engine lists. An image without a digest never was in a registry. Pure."""
    found: dict[str, frozenset[str]] = {}
    for one in listed:
        digests = frozenset(
            digest
            for name, _, digest in (text.partition("@") for text in one.get("RepoDigests") or ())
            if name == image
        )
        tags = [text[len(image) + 1 :] for text in one.get("RepoTags") or () if text.startswith(f"{image}:")]
        found.update({tag: digests for tag in tags if digests and _moves(tag)})
    return found


def _moves(tag: str) -> bool:
    return names.read(tag).kind not in (*publishing.IMMUTABLE, "local", "foreign")


def _older(tag: str, here: str, there: str) -> Finding:
    name = names.read(tag)
    said = f"the copy here is {here[:19]}…, and the registry has {there[:19]}… since"
    return Finding(tag, said, ok=False, fix=f"nox -s testground_pull-{name.python} -- {name.identifier}")
