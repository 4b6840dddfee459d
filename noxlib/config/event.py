"""Why this CI run happens, as data: CI's own variables and the event's payload; neither is believed blindly.

GitHub: https://docs.github.com/actions/reference/workflows-and-actions/variables and …/events-that-trigger-workflows
GitLab: https://docs.gitlab.com/ci/variables/predefined_variables/
Forgejo and Gitea set GitHub's variables too, Forgejo some of them under a name of its own.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Literal, Optional

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``push``: a branch moved, or a schedule or a person had the workflow run on one. ``other``: anything else.
Kind = Literal["none", "push", "tag", "pull_request", "other"]

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ON_A_BRANCH = ("push", "schedule", "workflow_dispatch")  #: what only those with write access bring about
_OF_WRITERS = ("push", "schedule", "web")  #: GitLab's words for the same
#: GitLab's pipelines of merge requests: what their variables begin with, and the two that differ for a fork.
_MERGE_REQUESTS = {
    "merge_request_event": ("CI_MERGE_REQUEST", "PROJECT_ID", "SOURCE_PROJECT_ID"),
    "external_pull_request_event": ("CI_EXTERNAL_PULL_REQUEST", "TARGET_REPOSITORY", "SOURCE_REPOSITORY"),
}
_OF_GITHUB = ("EVENT_NAME", "EVENT_PATH", "REF", "SHA", "HEAD_REF", "REPOSITORY")  #: ``GITHUB_…`` that are read here
_LIMIT = 64 << 20  #: bytes of a payload


class Event(msgspec.Struct, frozen=True):
    """What happened. Names are as somebody gave them to a branch or a tag: any text at all."""

    kind: Kind = "none"
    name: str = ""  #: as CI calls it: ``push``, ``pull_request``, ``schedule``, …
    branch: Optional[str] = None
    tag: Optional[str] = None
    number: Optional[int] = None  #: of the pull request
    commit: Optional[str] = None  #: of a pull request its head's, not that of the merge commit which is checked out
    default_branch: Optional[str] = None
    fork: bool = False  #: a pull request from another repository


def read(environ: Mapping[str, str]) -> Event:
    """The event of this run; ``none`` outside CI, and in a CI that is not known.

    A payload that is absent, too large or no JSON counts as an empty one: the variables say less, never something else.
    """
    reader = next((reader for variable, reader in _SERVERS.items() if environ.get(variable) == "true"), None)
    return reader(environ) if reader else Event()


def of_forgejo(environ: Mapping[str, str]) -> Event:
    """The event of Forgejo's variables: GitHub's, where there is no ``FORGEJO_…`` of the same meaning."""
    own = {name: value for name in _OF_GITHUB if (value := environ.get(f"FORGEJO_{name}"))}
    merged = {**environ, **{f"GITHUB_{name}": value for name, value in own.items()}}
    return of_github(merged, payload(merged.get("GITHUB_EVENT_PATH")))


def of_gitlab(environ: Mapping[str, str]) -> Event:
    """The event of GitLab's variables. Pure."""
    name, commit = environ.get("CI_PIPELINE_SOURCE", ""), _commit(environ.get("CI_COMMIT_SHA"))
    common: dict[str, Any] = {"name": name, "default_branch": environ.get("CI_DEFAULT_BRANCH") or None}
    if name in _MERGE_REQUESTS:
        return Event(kind="pull_request", **common, **_merge_request(environ, *_MERGE_REQUESTS[name]))
    tag, branch = environ.get("CI_COMMIT_TAG"), environ.get("CI_COMMIT_BRANCH")
    if name not in _OF_WRITERS or commit is None:
        return Event(kind="other", commit=commit, **common)
    if tag:
        return Event(kind="tag", tag=tag, commit=commit, **common)
    if branch:
        return Event(kind="push", branch=branch, commit=commit, **common)
    return Event(kind="other", commit=commit, **common)


def _merge_request(environ: Mapping[str, str], prefix: str, here: str, there: str) -> dict[str, Any]:
    """In a pipeline of merged results CI_COMMIT_SHA is the merge, and the head's commit stands beside it."""
    number = environ.get(f"{prefix}_IID", "")
    source = environ.get(f"{prefix}_{there}")
    return {
        "number": int(number) if re.fullmatch(r"[1-9][0-9]{0,17}", number) else None,
        "branch": environ.get(f"{prefix}_SOURCE_BRANCH_NAME") or None,
        "commit": _commit(environ.get(f"{prefix}_SOURCE_BRANCH_SHA")) or _commit(environ.get("CI_COMMIT_SHA")),
        "fork": not source or source != environ.get(f"{prefix}_{here}"),
    }


def of_github(environ: Mapping[str, str], payload: Mapping[str, Any]) -> Event:
    """The event of GitHub's variables and payload. Pure."""
    name, ref = environ.get("GITHUB_EVENT_NAME", ""), environ.get("GITHUB_REF", "")
    default = at(payload, "repository", "default_branch")
    common: dict[str, Any] = {"name": name, "default_branch": default if isinstance(default, str) else None}
    if name in ("pull_request", "pull_request_target"):
        return Event(kind="pull_request", **common, **_pull_request(environ, payload))
    commit = _commit(environ.get("GITHUB_SHA"))
    if commit is None or payload.get("deleted") is True:
        return Event(kind="other", **common)
    if name in (*_ON_A_BRANCH, "release") and ref.startswith(_TAG):
        return Event(kind="tag", tag=ref[len(_TAG) :], commit=commit, **common)
    if name in _ON_A_BRANCH and ref.startswith(_BRANCH):
        return Event(kind="push", branch=ref[len(_BRANCH) :], commit=commit, **common)
    return Event(kind="other", commit=commit, **common)


def _pull_request(environ: Mapping[str, str], payload: Mapping[str, Any]) -> dict[str, Any]:
    number = payload.get("number")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        named = re.fullmatch(r"refs/pull/([1-9][0-9]*)/merge", environ.get("GITHUB_REF", ""))
        number = int(named[1]) if named else None
    head = at(payload, "pull_request", "head", "repo", "full_name")
    return {
        "number": number,
        "branch": environ.get("GITHUB_HEAD_REF") or None,
        "commit": _commit(at(payload, "pull_request", "head", "sha")),
        "fork": head != environ.get("GITHUB_REPOSITORY"),
    }


def _commit(text: object) -> Optional[str]:
    """A commit by its full id; the id of zeros stands for none."""
    return text if isinstance(text, str) and _COMMIT.fullmatch(text) and text.strip("0") else None


def at(value: Any, *keys: str) -> Any:
    """What lies in a payload below these keys; None where nothing does, or what is in the way is no object."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def payload(name: Optional[str]) -> dict[str, Any]:
    """The event's payload, as ``GITHUB_EVENT_PATH`` names it."""
    try:
        path = Path(name or "")
        if not path.is_file() or path.stat().st_size > _LIMIT:
            return {}
        found = msgspec.json.decode(path.read_bytes())
    except (OSError, ValueError, msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _of_github(environ: Mapping[str, str]) -> Event:
    return of_github(environ, payload(environ.get("GITHUB_EVENT_PATH")))


#: Whose variables they are, by the one that is ``true`` there; Forgejo and Gitea say that they are GitHub as well.
_SERVERS: dict[str, Callable[[Mapping[str, str]], Event]] = {
    "GITLAB_CI": of_gitlab,
    "FORGEJO_ACTIONS": of_forgejo,
    "GITEA_ACTIONS": of_forgejo,
    "GITHUB_ACTIONS": _of_github,
}
