"""GitHub's registry: images as everywhere, but versions are listed, deleted and restored by GitHub's REST API.

https://docs.github.com/rest/packages/packages and
https://docs.github.com/packages/learn-github-packages/deleting-and-restoring-a-package
"""

from __future__ import annotations

import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Optional
from urllib.parse import quote

import requests

from noxlib.engines import github
from noxlib.engines.registry import DIGEST
from noxlib.engines.versions import Stored
from noxlib.errors import EngineError

if TYPE_CHECKING:
    from noxlib.engines.github import GitHub
    from noxlib.engines.registry import Registry

_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_FOR_GOOD = ("5000 downloads", "5,000 downloads", "last tagged version", "last version of a package")


class Ghcr:
    """The versions of one container package.

    Args:
        registry: The repository, ``ghcr.io/owner/name``.
        api: GitHub.
    """

    a_tag_stays = True

    def __init__(self, registry: Registry, api: GitHub) -> None:
        self.registry = registry
        self._api = api
        self._path: Optional[str] = None

    def listed(self) -> tuple[Stored, ...]:
        """All versions, those without tags too; checked against the registry's own tags.

        A version that is missing here may be the index of others, which would look as if they were nobody's: pages
        shift while something is pushed or deleted.

        Raises:
            EngineError: The list is not whole, or this token may not see it.
        """
        found = self._versions("active")
        known = {tag for stored in found for tag in stored.tags}
        missing = [tag for tag in self.registry.tags() if tag not in known]
        if missing and not found:
            raise EngineError(
                f"GitHub shows this token no versions of {self.registry.image}, and there are tags",
                "the token needs read:packages, and a job `permissions: packages: write` and admin on the package",
                cause="credentials",
            )
        if missing:
            raise EngineError(
                f"GitHub's list of versions of {self.registry.image} lacks {missing[0]}", "run this again in a minute"
            )
        return found

    def now(self, stored: Stored) -> Optional[Stored]:
        """The version by its id; None where it is gone. Raises EngineError."""
        answer = self._api.ask("GET", f"{self._versions_path()}/{quote(stored.key, safe='')}")
        if answer.status_code == requests.codes.not_found:
            return None
        if not answer.ok:
            raise github.refused(answer, "read a version")
        return _stored(github.content(answer))

    def delete(self, stored: Stored) -> None:
        """By its id, with all its tags. Raises EngineError, cause ``refused`` where GitHub keeps it for good."""
        answer = self._api.ask("DELETE", f"{self._versions_path()}/{quote(stored.key, safe='')}")
        if answer.ok or (answer.status_code == requests.codes.not_found and self.now(stored) is None):
            return
        message = github.said(answer)
        if answer.status_code == requests.codes.bad_request and any(known in message for known in _FOR_GOOD):
            raise EngineError(f"GitHub keeps it: {message}", "delete it on its page, or ask GitHub", cause="refused")
        raise github.refused(answer, "delete a version")

    def deleted(self) -> tuple[Stored, ...]:
        """What was deleted in the last 30 days."""
        return self._versions("deleted")

    def restore(self, stored: Stored) -> None:
        """By its id. Tags that do not come back with it are given again, unless another version has them by now.

        Raises:
            EngineError: GitHub refuses, or the version cannot be read yet.
        """
        answer = self._api.ask("POST", f"{self._versions_path()}/{quote(stored.key, safe='')}/restore")
        if not answer.ok:
            raise github.refused(answer, "restore a version")
        missing = [tag for tag in stored.tags if self.registry.digest(tag) is None]
        manifest = self.registry.manifest(stored.digest)
        if manifest is None:
            raise EngineError(f"{stored.digest} was restored, and cannot be read yet", "run this again in a minute")
        for tag in missing:
            self.registry.put(tag, manifest)

    def _versions(self, state: str) -> tuple[Stored, ...]:
        pages = self._api.pages(self._versions_path(), {"state": state})
        return tuple({stored.key: stored for stored in map(_stored, pages)}.values())

    def _versions_path(self) -> str:
        """Organisations and users have endpoints of their own, and a user's private package a third."""
        if self._path is None:
            owner, _, package = self.registry.name.partition("/")
            answer = self._api.ask("GET", f"users/{quote(owner, safe='')}")
            found = github.content(answer)
            if not answer.ok or not isinstance(found, dict):
                raise github.refused(answer, f"see whether {owner} is a user or an organisation")
            whose = f"orgs/{quote(owner, safe='')}" if found.get("type") == "Organization" else self._user(owner)
            self._path = f"{whose}/packages/container/{quote(package, safe='')}/versions"
        return self._path

    def _user(self, owner: str) -> str:
        """``user`` where the token is that user's own: ``users/NAME`` shows public packages only."""
        found = github.content(self._api.ask("GET", "user"))
        login = found.get("login") if isinstance(found, dict) else None
        return "user" if str(login).lower() == owner.lower() else f"users/{quote(owner, safe='')}"


def _stored(version: Any) -> Stored:
    """A version as the API describes it."""
    try:
        tags = version["metadata"]["container"]["tags"]
        key, digest = str(int(version["id"])), str(version["name"])
        times = [version[name] for name in ("created_at", "updated_at") if version.get(name)]
        used = max(map(_seconds, times)) if times else None
    except (KeyError, TypeError, ValueError, AttributeError):
        tags, key, digest, used = None, "", "", None
    if not DIGEST.fullmatch(digest) or not isinstance(tags, list) or not all(_is_tag(tag) for tag in tags):
        raise EngineError("GitHub describes a version in a way that is not known", "report it, nothing was deleted")
    return Stored(digest, tuple(tags), key, used)


def _is_tag(tag: object) -> bool:
    return isinstance(tag, str) and _TAG.fullmatch(tag) is not None


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text[:19]).replace(tzinfo=timezone.utc).timestamp()
