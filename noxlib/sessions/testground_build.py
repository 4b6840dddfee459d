"""``testground_build-X``: the image of one Python, built where it is not there yet."""

from __future__ import annotations

from noxlib.config.detect import load_project
from noxlib.sessions import placing, reaping
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.testground import image, lock
from noxlib.testground.names import image_name

UPGRADE = Option("--upgrade", "resolve the dependencies again, as of now")


def run(context: Context) -> None:
    """Carry the step out."""
    arguments = context.parse(UPGRADE, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    reaping.sweep(context.root)
    docker = placing.engine()
    if arguments["dry_run"]:
        say(f"{context.session}: would build {image_name(project.name, None, project.config)} at {docker.endpoint}")
        return
    locked = lock.find_or_make(project, context.python, docker.platform, upgrade=arguments["upgrade"])
    testground = image.find_or_build(project, context.python, locked, docker)
    say(f"{context.session}: {testground.reference} {testground.id}")
