"""For how long a tag keeps its image, by what it stands for. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Callable, Optional

import msgspec

from noxlib.config.values import parse_age
from noxlib.testground import names

if TYPE_CHECKING:
    from noxlib.config.models import RetentionConfig

DAY = 86400.0  #: seconds
_CLASSES: dict[names.Kind, str] = {
    "release": "release",
    "latest": "release",
    "main": "main",
    "branch": "branch",
    "commit": "sha",
    "pull-request": "pr",
}
ATTACHED = re.compile(r"sha256-([0-9a-f]{64})(\..*)?$")  #: the referrers' tag schema (OCI 1.1), cosign's ``….sig``
_CACHE = "buildcache"
_OF_PYTHON = re.compile(rf"py(pypy)?3\.[0-9]+t?-{_CACHE}")
_PULL_REQUEST = re.compile(r"-([1-9][0-9]{0,8})$")
#: Of a tag: its class, empty for what holds nothing (a fingerprint, ``local``); days, None for ever; the Python of
#: which the newest stay, empty where none does for its sake.
Life = tuple[str, Optional[float], str]


class Rules(msgspec.Struct, frozen=True):
    """Days for which each class of tags keeps an image; None: for ever."""

    release: Optional[float] = None
    main: Optional[float] = 90.0
    branch: Optional[float] = 30.0
    sha: Optional[float] = 30.0
    pr: Optional[float] = 7.0
    cache: Optional[float] = None
    keep_last: int = 1  #: newest versions of each Python and class that stay, whatever their age
    grace: float = 1.0  #: days for which what no tag keeps alive stays all the same: it may be being published
    closed: frozenset[int] = frozenset()  #: pull requests that are known to be closed: theirs goes at once

    def reader(self) -> Callable[[str], Life]:
        """What a tag means by these rules: called once a tag, a million times in a large registry."""
        known: dict[tuple[str, names.Kind], Life] = {}
        cache, foreign = ("cache", self.cache, ""), ("tag of no testground", None, "")
        gone, attached = ("closed pr", -1.0, ""), ("", 0.0, "")

        def read(tag: str) -> Life:
            found = names.classify(tag)
            life = known.get(found)
            if life is not None:
                return life
            python, kind = found
            if kind == "foreign":
                return cache if is_cache(tag) else attached if ATTACHED.match(tag) else foreign
            if kind == "pull-request" and self.closed:
                return gone if number(tag) in self.closed else ("pr", self.pr, python)
            name = _CLASSES.get(kind, "")
            known[found] = life = (name, getattr(self, name) if name else 0.0, python)
            return life

        return read


def number(tag: str) -> Optional[int]:
    """The pull request of a tag; None for another tag, and for a number that is none of GitHub's."""
    found = _PULL_REQUEST.search(tag) if names.classify(tag)[1] == "pull-request" else None
    return int(found[1]) if found else None


def is_cache(tag: str) -> bool:
    """A layer cache: ``buildcache-py3.10``, ``py3.10-buildcache``."""
    return tag.startswith(_CACHE) or _OF_PYTHON.match(tag) is not None


def of_config(config: RetentionConfig) -> Rules:
    """The rules that a project configures. Raises ValueError where it was not checked."""
    return Rules(
        parse_age(config.release),
        parse_age(config.main),
        parse_age(config.branch),
        parse_age(config.sha),
        parse_age(config.pr),
        parse_age(config.cache),
        config.keep_last,
    )
