"""What is published now: the event of the CI run, or what ``--push`` stands for."""

from __future__ import annotations

import os
from pathlib import Path

from noxlib.config import event as events
from noxlib.config.event import Event
from noxlib.engines import git
from noxlib.errors import UsageError
from noxlib.sessions.arguments import Option

PUSH = Option("--push", "publish the checked out commit and branch from this machine, without a CI event")


def event(session: str, root: Path, *, push: bool) -> Event:
    """The event.

    Raises:
        UsageError: there is none, or another commit is checked out than it is about.
    """
    found = events.read(os.environ)
    head = git.head(root)
    if push:
        if head is None:
            raise UsageError(
                f"{session}: git knows no commit here that would name what is pushed",
                "commit first; what is in no git repository yet: git init",
            )
        if head.dirty:
            raise UsageError(
                f"{session}: the tree has uncommitted changes ({_some(head.changed)}), "
                "so no commit names what would be pushed",
                "commit them first, or name what is no part of the project in .gitignore",
            )
        return Event("push", name="--push", branch=head.branch, commit=head.commit)
    if found.kind == "none":
        raise UsageError(
            f"{session}: there is no CI event here that says what to publish",
            f"CI publishes by itself; from this machine: nox -s {session} -- --push",
        )
    if found.kind in ("push", "tag") and head is not None and found.commit != head.commit:
        raise UsageError(
            f"{session}: the event is about {found.commit}, and {head.commit} is checked out",
            "check out the event's own commit before this step",
        )
    return found


def _some(paths: tuple[str, ...]) -> str:
    """The first of some paths; they may hold anything."""
    more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return f"{paths[0]!r:.100}{more}"
