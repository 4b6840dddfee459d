"""``testground_build-X``: the image of one Python, built where it is not there yet."""

from __future__ import annotations

import os

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines.docker import Docker
from noxlib.sessions import container_ground, placing, reaping, writing
from noxlib.sessions.arguments import DRY_RUN, PLATFORM, Arguments, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import building, image, lock
from noxlib.testground.locked import Lock
from noxlib.testground.names import image_name

UPGRADE = Option("--upgrade", "resolve the dependencies again, as of now")
PREPARE = Option("--prepare", "make what the project's own build makes as well, so that suites find it")
FINGERPRINT = Option("--fingerprint", "only say what its content is called; in GitHub Actions as an output of the step")


def run(context: Context) -> None:
    """Carry the step out."""
    arguments = context.parse(UPGRADE, PREPARE, FINGERPRINT, PLATFORM, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    docker = placing.engine(arguments["platform"])
    if arguments["dry_run"]:
        say(f"{context.session}: would build {image_name(project.name, None, project.config)} at {docker.endpoint}")
        return
    locked = _lock(context, project, docker, arguments)
    if arguments["fingerprint"]:
        fingerprint = image.wanted(project, context.python, locked, docker, pull=True)
        writing.tell_workflow(f"fingerprint={fingerprint}\n", os.environ)
        say(f"{context.session}: {fingerprint}")
        return
    testground = image.find_or_build(project, context.python, locked, docker)
    building.mark_local(testground.reference, context.python, docker)  # one that was pulled or loaded has not got it
    say(f"{context.session}: {testground.reference} {testground.id}")
    if arguments["prepare"]:
        container_ground.in_testground(project, testground, docker, "all")


def _lock(context: Context, project: Project, docker: Docker, arguments: Arguments) -> Lock:
    if arguments["upgrade"]:
        return lock.find_or_make(project, context.python, docker.platform, upgrade=True)
    return container_ground.lock_of(project, context.python, docker, "all")
