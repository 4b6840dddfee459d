"""Who lists and deletes for a project, what time it is there, and which pull requests are closed."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Callable

from noxlib.engines import git, github, registryauth
from noxlib.engines.ghcr import Ghcr
from noxlib.engines.registryauth import Credentials
from noxlib.engines.versions import RegistryStore
from noxlib.errors import NoxlibError
from noxlib.secret import Secret
from noxlib.testground import remote
from noxlib.testground.retention_rules import number

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Optional

    from noxlib.config.project import Project
    from noxlib.engines.versions import Store

_GITHUB = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)github\.com[:/]([^/\s]+/[^/\s]+?)(?:\.git)?/?")
_REPOSITORY = re.compile(r"[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+")
_SKEW = 3600.0  # seconds by which clocks may differ without a word

Say = Callable[[str], None]


def open_store(project: Project, say: Say) -> Store:
    """The project's repository, by the back end that is configured; GitHub's by its REST API. Raises NoxlibError."""
    registry = remote.open_registry(remote.image_of(project))
    backend = project.config.retention.backend
    if backend == "registry" or (backend == "auto" and registry.host != registryauth.GITHUB):
        return RegistryStore(registry)
    credentials = _token(project) or registryauth.find(registry.host, os.environ)
    return Ghcr(registry, github.GitHub(github.base(os.environ), credentials, say))


def now(store: Store, here: float, say: Say) -> float:
    """The earlier of this machine's time and the registry's: a clock that is ahead would make everything old.

    Args:
        store: The repository.
        here: This machine's time, seconds since the epoch.
        say: Told of clocks that differ.
    """
    there = store.registry.clock()
    if there is not None and abs(there - here) > _SKEW:
        ahead = "ahead of" if here > there else "behind"
        hours = abs(there - here) / 3600
        say(f"noxlib: this machine's clock is {hours:.0f} h {ahead} the registry's; the earlier one counts")
    return here if there is None else min(here, there)


def closed_pulls(project: Project, tags: Iterable[str], say: Say) -> frozenset[int]:
    """Those pull requests among the tags that GitHub says are closed; none where it does not tell."""
    numbers = {found for found in map(number, tags) if found is not None}
    repository = _repository(project)
    if not numbers or repository is None:
        return frozenset()
    try:
        token = _token(project) or _token_of_job()
        if token is None:
            return frozenset()
        return github.GitHub(github.base(os.environ), token, say).closed_pulls(repository, numbers)
    except NoxlibError as error:
        say(f"noxlib: which pull requests are closed is not known, so that age alone counts: {error.what}")
        return frozenset()


def _token(project: Project) -> Optional[Credentials]:
    reference = project.config.retention.token
    return Credentials("", Secret(reference).reveal()) if reference else None


def _token_of_job() -> Optional[Credentials]:
    """GITHUB_TOKEN and nothing else: credentials of another registry are none of GitHub's business."""
    return Credentials("", Secret("env:GITHUB_TOKEN").reveal()) if os.environ.get("GITHUB_TOKEN") else None


def _repository(project: Project) -> Optional[str]:
    """``owner/name`` on GitHub: of this CI run, else of git's remote."""
    found = _GITHUB.fullmatch(git.remote_url(project.root) or "")
    name = os.environ.get("GITHUB_REPOSITORY") or (found[1] if found else "")
    return name if _REPOSITORY.fullmatch(name) else None
