"""Which lanes of tests an event of CI asks for. Pure: what GitHub tells comes in as values, and is hostile text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from noxlib.config.event import at

Lane = Literal["basic", "extended", "cloud"]
#: The branches tested, beside the repository's own default branch.
BRANCHES = {"push": ("main", "develop"), "pull_request": ("main",)}
MARK = "[extended-tests]"  #: in the message of the head's commit
LABEL = "extended-tests"  #: of a pull request
_FIELDS_OF_CRON = 5
_YES = ("true", "1", "yes")


class Occasion(msgspec.Struct, frozen=True):
    """What decides about the lanes. Empty where GitHub tells nothing, as on a laptop."""

    name: str = ""  #: ``push``, ``pull_request``, ``schedule``, …
    branch: str = ""  #: the branch pushed to, or the one that a pull request is for
    default_branch: str = ""
    cron: str = ""  #: the line of the schedule
    commit: str = ""  #: the head's commit, where the event does not hold its message
    message: str = ""  #: of the head's commit
    labels: tuple[str, ...] = ()
    extended: bool = False  #: the input of that name, of a workflow started by hand
    tag: str = ""  #: the tag pushed


def lanes(occasion: Occasion) -> tuple[Lane, ...]:
    """The lanes that an event asks for; none for a push or a pull request to a branch that is not tested.

    >>> lanes(Occasion("schedule", cron="0 2 * * *")), lanes(Occasion("schedule", cron="0 6 * * 1"))
    (('basic', 'extended'), ('cloud',))
    """
    if occasion.name == "schedule":
        return ("cloud",) if _weekly(occasion.cron) else ("basic", "extended")
    tested = (*BRANCHES.get(occasion.name, ()), occasion.default_branch or "main")
    if occasion.name in BRANCHES and not occasion.tag and occasion.branch not in tested:
        return ()
    extended = occasion.extended or MARK in occasion.message or LABEL in occasion.labels
    return ("basic", "extended") if extended else ("basic",)


def _weekly(cron: str) -> bool:
    """Whether a schedule names days of the week: ``minute hour day month weekday``."""
    fields = cron.split()
    return len(fields) == _FIELDS_OF_CRON and fields[-1] != "*"


def occasion(environ: Mapping[str, str], payload: object) -> Occasion:
    """The occasion as GitHub's variables and its event's payload tell it; what is not of the expected type is nothing.

    Args:
        environ: The variables ``GITHUB_*``.
        payload: The parsed JSON of ``GITHUB_EVENT_PATH``, or None.
    """
    name = environ.get("GITHUB_EVENT_NAME", "")
    name = "pull_request" if name == "pull_request_target" else name
    ref = environ.get("GITHUB_REF", "")
    pushed = ref[len("refs/heads/") :] if ref.startswith("refs/heads/") else ""
    tag = ref[len("refs/tags/") :] if ref.startswith("refs/tags/") and name == "push" else ""
    labels = at(payload, "pull_request", "labels")
    return Occasion(
        name=name,
        branch=environ.get("GITHUB_BASE_REF", "") if name == "pull_request" else pushed,
        tag=tag,
        default_branch=_text(payload, "repository", "default_branch"),
        cron=_text(payload, "schedule"),
        commit=_text(payload, "pull_request", "head", "sha"),
        message=_text(payload, "head_commit", "message"),
        labels=tuple(_text(label, "name") for label in labels) if isinstance(labels, list) else (),
        extended=str(at(payload, "inputs", "extended")).lower() in _YES,
    )


def _text(value: object, *keys: str) -> str:
    found = at(value, *keys)
    return found if isinstance(found, str) else ""
