"""``testground_pull-X``: the published testground of a commit, branch, release, pull request or digest."""

from __future__ import annotations

import os

from noxlib.config.detect import load_project
from noxlib.engines import registryauth
from noxlib.errors import UsageError
from noxlib.sessions import placing, reaping
from noxlib.sessions.arguments import DRY_RUN
from noxlib.sessions.context import Context, say
from noxlib.testground import pulled, remote, results


def run(context: Context) -> None:
    """Carry the step out; the one word after the options says which, default the checked out commit.

    Raises:
        UsageError: there is more than one word.
        PlaceError: nothing is published for it.
        EngineError: the registry or the engine fails.
    """
    arguments = context.parse(DRY_RUN)
    if len(arguments.rest) > 1 or any(word.startswith("-") for word in arguments.rest):
        raise UsageError(
            f"{context.session} takes one word, not {' '.join(arguments.rest)!r}",
            f"nox -s {context.session} -- v1.1.0, or a branch, a commit, pr-12, sha256:…",
        )
    asked = arguments.rest[0] if arguments.rest else ""
    project = load_project(context.root)
    reaping.sweep(context.root)
    registry = remote.open_registry(remote.image_of(project))
    if arguments["dry_run"]:
        found = remote.find(registry, context.python, asked, project)
        say(f"{context.session}: would pull {registry.image}@{found.digest} ({found.tag or 'by digest'})")
        return
    docker = placing.engine()
    credentials = registryauth.find(registry.host, os.environ)
    result, info = pulled.fetch(project, context.python, asked, docker, registry, credentials, say)
    results.tell_workflow(result, os.environ)
    say(f"{context.session}: {result.reference} ({', '.join(result.tags) or 'by digest'}) is the image {info.id}")
