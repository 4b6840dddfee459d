"""``testground_pull-X``: the published testground of a commit, branch, release, pull request or digest."""

from __future__ import annotations

import os
from typing import Optional

from noxlib.config import event as events
from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import git, registryauth
from noxlib.engines.registry import Registry
from noxlib.errors import NoxlibError, PlaceError, UsageError
from noxlib.sessions import container_ground, placing, reaping, writing
from noxlib.sessions.arguments import DRY_RUN, NO_BUILD, PLATFORM, Arguments, Option
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Effort
from noxlib.testground import chain, image, platforms, remote, results
from noxlib.testground.chain import Here
from noxlib.testground.pulled import Puller
from noxlib.testground.remote import Found
from noxlib.testground.results import Result

FRESH = Option("--fresh", "drop the copy that is here, and pull it anew")


def run(context: Context) -> None:
    """Carry the step out; the one word after the options says which, default what is nearest to this checkout.

    Raises:
        UsageError: there is more than one word.
        PlaceError: nothing is published for it.
        EngineError: the registry or the engine fails.
    """
    arguments = context.parse(FRESH, PLATFORM, NO_BUILD, DRY_RUN)
    if len(arguments.rest) > 1 or any(word.startswith("-") or not word for word in arguments.rest):
        raise UsageError(
            f"{context.session} takes one word, not {' '.join(arguments.rest)!r:.200}",
            f"nox -s {context.session} -- v1.1.0, or a branch, a commit, pr-12, sha256:…",
        )
    asked = arguments.rest[0] if arguments.rest else ""
    if arguments["platform"]:
        platforms.parse(arguments["platform"])
    project = load_project(context.root)
    reaping.sweep(context.root)
    registry = remote.open_registry(remote.image_of(project))
    if asked:
        _pull(context, project, registry, arguments, remote.find(registry, context.python, asked, project))
    else:
        _nearest(context, project, registry, arguments)


def _pull(
    context: Context, project: Project, registry: Registry, arguments: Arguments, found: Found
) -> Optional[Result]:
    if arguments["dry_run"]:
        say(f"{context.session}: would pull {registry.image}@{found.digest} ({found.tag or 'by digest'})")
        return None
    credentials = registryauth.find(registry.host, os.environ)
    puller = Puller(project, placing.engine(arguments["platform"], runs=False), registry, credentials, say)
    asked = arguments.rest[0] if arguments.rest else ""
    result, info = puller.take(context.python, found, asked, fresh=arguments["fresh"])
    writing.tell_workflow(results.outputs(result), os.environ)
    say(f"{context.session}: {result.reference} ({', '.join(result.tags) or 'by digest'}) is the image {info.id}")
    return result


def _nearest(context: Context, project: Project, registry: Registry, arguments: Arguments) -> None:
    """Along the chain; at its end the testground is built here."""
    here = _here(context, project, arguments, "none" if arguments["dry_run"] else "no-build")
    found = chain.follow(registry, here, say)
    if found is not None:
        result = _pull(context, project, registry, arguments, found)
        if result is not None and here.fingerprint not in (None, result.fingerprint):
            say("noxlib: this checkout declares another one now, which suites build; --testground takes this one")
    elif arguments["no_build"]:
        raise PlaceError(
            f"no testground is published for this checkout in {registry.image}",
            f"name another one (nox -s {context.session} -- main), or leave --no-build out",
            cause="absent",
        )
    elif arguments["dry_run"]:
        say(f"{context.session}: would build it here")
    else:
        say("noxlib: build: nothing that is near is published")
        docker = placing.engine(arguments["platform"])
        locked = container_ground.lock_of(project, context.python, docker, "all")
        built = image.find_or_build(project, context.python, locked, docker)
        say(f"{context.session}: {built.reference} {built.id} (built here)")


def _here(context: Context, project: Project, arguments: Arguments, effort: Effort) -> Here:
    """This checkout. In CI, where a commit and no branch is checked out, the branch is the event's."""
    head = git.head(project.root)
    fingerprint, unknown, platform = None, "", ""
    try:
        docker = placing.engine(arguments["platform"], runs=False)
        locked = container_ground.lock_of(project, context.python, docker, effort)
        fingerprint, platform = image.wanted(project, context.python, locked, docker), docker.platform
    except NoxlibError as error:
        unknown = error.what
    return Here(
        root=project.root,
        python=context.python,
        fingerprint=fingerprint,
        unknown=unknown,
        commit=head.commit if head else None,
        branch=(head.branch if head else None) or events.read(os.environ).branch,
        platform=platform,
    )
