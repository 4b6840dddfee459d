"""``testground_lock``: one pylock.toml per Python in the checkout, to be committed."""

from __future__ import annotations

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.locks import pylock_name
from noxlib.config.project import Project
from noxlib.sessions.arguments import DRY_RUN, Option, no_rest
from noxlib.sessions.context import Context, say
from noxlib.sessions.testground_build import UPGRADE
from noxlib.testground import lock

REFRESH = Option("--refresh", "locks and base images as of now, known vulnerabilities, and a summary of it all")
PLATFORM = "linux/amd64"  #: what testgrounds are built for; the files keep markers and hashes of it alone


def run(context: Context) -> None:
    """Carry the step out."""
    arguments = context.parse(UPGRADE, REFRESH, DRY_RUN)
    no_rest(context.session, arguments)
    project = load_project(context.root)
    if arguments["refresh"] and not arguments["dry_run"]:
        from noxlib.sessions import refreshing  # noqa: PLC0415 - brings the registry

        refreshing.run(context, project, PLATFORM)
        return
    for python in project.pythons:
        if arguments["dry_run"]:
            say(f"{context.session}: would write {pylock_name(python)}")
            continue
        locked = lock.find_or_make(_unlocked(project), python, PLATFORM, upgrade=arguments["upgrade"])
        path = lock.write_to_checkout(locked, project, python)
        say(f"{context.session}: {path.name} ({locked.source})")


def _unlocked(project: Project) -> Project:
    """The project as if it had no files of this step's own making: they are what is made anew, out of date or not."""
    if project.lock_kind != "pylock":
        return project
    return msgspec.structs.replace(project, lock_kind="none", lock_files={})
