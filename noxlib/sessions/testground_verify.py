"""``testground_verify-X``: what is published, built again from its recorded inputs, and both compared file by file."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import commits, git, registryauth
from noxlib.engines.docker import Docker
from noxlib.engines.imageinfo import ImageInfo
from noxlib.engines.registry import Registry
from noxlib.errors import BuildError, PlaceError, UsageError
from noxlib.records import terminal
from noxlib.sessions import placing, reaping
from noxlib.sessions.arguments import DRY_RUN, Option
from noxlib.sessions.context import Context, on_terminal, say
from noxlib.sessions.writing import write
from noxlib.testground import attachments, index, lock, provenance, rebuild, remote
from noxlib.testground.locked import Lock
from noxlib.testground.rebuild import Verdict
from noxlib.testground.recipe import Order

JSON = Option("--json", "write the whole comparison as JSON", "FILE")
_SHOWN = 100  #: paths on a terminal; --json has all
_REVISION = "org.opencontainers.image.revision"


def run(context: Context) -> None:
    """Carry the step out; the one word after the options says which, default what is published for this commit.

    Raises:
        PlaceError: nothing is published for it, or it does not say what it was built from.
        BuildError: what is rebuilt differs.
        EngineError: the registry, the engine or the builder fails.
    """
    arguments = context.parse(JSON, DRY_RUN)
    if len(arguments.rest) > 1 or any(word.startswith("-") or not word for word in arguments.rest):
        raise UsageError(
            f"{context.session} takes one word, not {' '.join(arguments.rest)!r:.200}",
            f"nox -s {context.session} -- v1.1.0, or a branch, a commit, sha256:…",
        )
    project = load_project(context.root)
    reaping.sweep(context.root)
    registry = remote.open_registry(remote.image_of(project))
    digest = remote.find(registry, context.python, (*arguments.rest, "")[0], project).digest
    if arguments["dry_run"]:
        say(f"{context.session}: would rebuild {registry.image}@{digest}")
        return
    verdict = _verdict(context, project, registry, digest)
    if arguments["json"]:
        content = {**msgspec.to_builtins(verdict), "same": verdict.is_same}
        write(Path(arguments["json"]), msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    _tell(context, verdict)


def _verdict(context: Context, project: Project, registry: Registry, digest: str) -> Verdict:
    docker, credentials = placing.engine(), registryauth.find(registry.host, os.environ)
    digest = index.resolve(registry, digest, lambda: docker.platform)
    published = provenance.pulled(f"{registry.image}@{digest}", docker, credentials)
    commit = published.labels.get(_REVISION, "")
    if not commit:
        raise PlaceError(f"{registry.image}@{digest} does not say which commit it is of", "publish one with noxlib")
    with commits.checkout(project.root, commits.resolve(project.root, commit)) as code:
        then = load_project(code)
        locked = _lock(then, registry, digest, published)
        source = git.remote_url(project.root) or ""
        wanted = rebuild.order(then, context.python, locked, published, docker, source)
        say(f"noxlib: rebuilding {registry.image}@{digest[:19]} of {commit[:12]}; the builder says: {wanted.log}")
        return _compared(published, wanted, docker)


def _compared(published: ImageInfo, wanted: Order, docker: Docker) -> Verdict:
    with rebuild.built(wanted, docker) as rebuilt:
        say("noxlib: comparing packages, files and labels")
        return rebuild.compare(published, rebuilt, docker)


def _lock(project: Project, registry: Registry, digest: str, published: ImageInfo) -> Lock:
    """The attached one: what the index would give today is another matter."""
    if project.dockerfile:
        return lock.of_dockerfile(project)
    found = attachments.find_lock(registry, digest, published.labels)
    if found is None:
        raise PlaceError(f"no lock is attached to {registry.image}@{digest}", "publish it again from its commit")
    return found


def _tell(context: Context, verdict: Verdict) -> None:
    _print(context, verdict)
    if verdict.is_same:
        return
    counts = (len(verdict.files.differ), len(verdict.packages), len(verdict.labels))
    debian = f"{len(verdict.debian)} Debian packages, which no lock holds"
    if not any(counts):
        raise BuildError(
            f"{context.session}: all is the same but {debian}: apt gives other versions by now",
            'name versions in apt ("libpq5=15.14-0+deb12u1"), or let apt ask a snapshot of the mirror; publish anew',
            cause="debian",
        )
    told = "{} paths, {} packages, {} labels differ".format(*counts)
    raise BuildError(
        f"{context.session}: what is rebuilt is not what is published: {told}"
        + (f", beside {debian}" if verdict.debian else ""),
        "see which above; what a build takes from the network beside the lock does not repeat",
        cause="differs",
    )


def _print(context: Context, verdict: Verdict) -> None:
    changes = (("Debian", verdict.debian), ("package", verdict.packages))
    rows = [
        *((kind, one.name, f"{one.before or '-'} -> {one.after or '-'}") for kind, found in changes for one in found),
        *(("label", name, f"{old or '-'} -> {new or '-'}") for name, (old, new) in verdict.labels.items()),
        *(("path", f"/{path}", what) for path, what in list(verdict.files.differ.items())[:_SHOWN]),
    ]
    if rows:
        say(terminal.table(("", "name", "published and rebuilt"), rows, colour=on_terminal()))
    files = verdict.files
    if verdict.debian:
        say(f"{context.session}: {len(verdict.debian_files)} paths differ that are of these Debian packages")
    say(
        f"{context.session}: not counted: {len(files.bytecode)} paths of byte code and {len(files.logs)} logs differ, "
        f"{files.times} times of modification"
    )
    alike = "the same" if verdict.id_published == verdict.id_rebuilt else "another, as builders do not repeat times"
    say(f"{context.session}: the image's own digest is {alike}: {verdict.id_published[:19]}, {verdict.id_rebuilt[:19]}")
    if verdict.is_same:
        say(f"{context.session}: packages, labels and files are the same: {verdict.tree_published}")
