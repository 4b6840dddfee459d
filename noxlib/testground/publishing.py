"""What is published for which event: a plan of tags, made of data alone. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.testground import names

if TYPE_CHECKING:
    from collections.abc import Iterable

    from noxlib.config.event import Event

#: Kinds of tags that never move to another image once they are there.
IMMUTABLE = frozenset(("commit", "release", "fingerprint"))
#: A release once more, from the same commit, with what has become of its base image and its packages since.
_REBUILD = re.compile(r"v[0-9].*-r[0-9]+")


class Tags(msgspec.Struct, frozen=True):
    """The identifiers that an event publishes, and why; none: nothing is pushed."""

    identifiers: tuple[str, ...]  #: the first one decides: what is published for it already is taken, not built anew
    reason: str
    release: Optional[str] = None  #: the release among them, of which ``latest`` is asked
    rebuild: bool = False  #: with the packages and the base images of today


def tags(event: Event) -> Tags:
    """The identifiers of an event, but ``latest``, which depends on what the registry holds (see ``is_latest``)."""
    if event.kind == "pull_request":
        which = f"pull request {event.number}" if event.number else "a pull request"
        return Tags((), f"{which}{' from a fork' if event.fork else ''} publishes nothing")
    if event.kind == "push" and event.commit:
        branch = (names.branch(event.branch),) if event.branch else ()
        return Tags((event.commit, *branch), f"{event.name} on the branch {event.branch!r}")
    if event.kind == "tag" and event.tag and event.commit:
        found = names.release(event.tag)
        if found is None:
            return Tags((event.commit,), f"the tag {event.tag!r} is no version: the commit alone")
        if _REBUILD.fullmatch(found):  # its commit keeps what was published for it first
            reason = f"the rebuild {event.tag!r} of a release; latest, if it is the highest"
            return Tags((found,), reason, release=found, rebuild=True)
        return Tags((event.commit, found), f"the release {event.tag!r}; latest, if it is the highest", release=found)
    why = "" if event.commit else ": it names no commit that is there"
    return Tags((), f"the event {event.name!r} publishes nothing{why}")


def is_latest(release: str, published: Iterable[str], python: str) -> bool:
    """Whether a release is the highest stable one of a Python.

    Args:
        release: An identifier, ``v1.2.3``.
        published: All tags of the repository.
        python: As in the tags.
    """
    own, known = names.version(release), highest(published, python)
    if own is None or own.is_prerelease:
        return False
    other = names.version(known) if known else None
    return other is None or other <= own


def highest(published: Iterable[str], python: str) -> Optional[str]:
    """The highest stable release of a Python among the tags of a repository, as an identifier."""
    read = (names.read(tag) for tag in published)
    releases = (name.identifier for name in read if name.kind == "release" and name.python == python)
    versions = ((names.version(release), release) for release in releases)
    stable = [(version, release) for version, release in versions if version and not version.is_prerelease]
    return max(stable, default=(None, None))[1]
