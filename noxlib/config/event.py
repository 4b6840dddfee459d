"""Why this CI run happens, as data: the ``GITHUB_*`` variables and the event's payload; neither is believed blindly.

https://docs.github.com/actions/reference/workflows-and-actions/variables and …/events-that-trigger-workflows
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Optional

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

#: ``push``: a branch moved, or a schedule or a person had the workflow run on one. ``other``: anything else.
Kind = Literal["none", "push", "tag", "pull_request", "other"]

_BRANCH = "refs/heads/"
_TAG = "refs/tags/"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ON_A_BRANCH = ("push", "schedule", "workflow_dispatch")  #: what only those with write access bring about
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
    if environ.get("GITHUB_ACTIONS") != "true":
        return Event()
    return of_github(environ, payload(environ.get("GITHUB_EVENT_PATH")))


def of_github(environ: Mapping[str, str], payload: Mapping[str, Any]) -> Event:
    """The event of GitHub's variables and payload. Pure."""
    name, ref = environ.get("GITHUB_EVENT_NAME", ""), environ.get("GITHUB_REF", "")
    default = _at(payload, "repository", "default_branch")
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
    head = _at(payload, "pull_request", "head", "repo", "full_name")
    return {
        "number": number,
        "branch": environ.get("GITHUB_HEAD_REF") or None,
        "commit": _commit(_at(payload, "pull_request", "head", "sha")),
        "fork": head != environ.get("GITHUB_REPOSITORY"),
    }


def _commit(text: object) -> Optional[str]:
    """A commit by its full id; the id of zeros stands for none."""
    return text if isinstance(text, str) and _COMMIT.fullmatch(text) and text.strip("0") else None


def _at(value: Any, *keys: str) -> Any:
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
