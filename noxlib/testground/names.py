"""Names of testgrounds: one function makes tags, for build, publish, run and the docs alike. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Literal, Optional

import msgspec

from noxlib.errors import ConfigError

if TYPE_CHECKING:
    from packaging.version import Version

    from noxlib.config.models import Config

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  #: OCI distribution specification, "Pulling manifests"
REPOSITORY = re.compile(
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)  #: the same, ``<name>``
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
_LENGTH = 128
_HASH = 8  # hex digits that keep two names apart which sanitising made equal
_HASHED = re.compile(rf"-[0-9a-f]{{{_HASH}}}\Z")
#: What an identifier stands for; ``foreign`` is a tag that is not of this form.
Kind = Literal["release", "latest", "main", "branch", "commit", "pull-request", "fingerprint", "local", "foreign"]
_KINDS: tuple[tuple[Kind, str], ...] = (
    ("release", r"v[0-9].*"),
    ("latest", r"latest"),
    ("local", r"local"),
    ("pull-request", r"pr-[0-9]+"),
    ("fingerprint", r"fp-.*"),
    ("commit", r"[0-9a-f]{40}|[0-9a-f]{64}"),
    ("main", r"main|master"),
    ("foreign", r"buildcache.*"),
)
#: The Python is group 1, and each kind one of those after it.
_OF_GROUP: dict[int, Kind] = {**dict(enumerate((kind for kind, _ in _KINDS), 2)), len(_KINDS) + 2: "branch"}
_READ = re.compile(rf"py((?:pypy)?3\.[0-9]+t?)-(?:{'|'.join(f'({form})' for _, form in _KINDS)}|(.+))").fullmatch
_GITHUB = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)github\.com[:/](?P<owner>[^/]+)/[^/]+?(?:\.git)?/?")


def tag(python: str, identifier: str) -> str:
    """The tag ``py3.10-<identifier>``, valid whatever the identifier.

    Args:
        python: The Python as uv names it, ``3.10``, ``pypy3.11``.
        identifier: What ``branch`` makes of one, a version, ``pr-12``, a commit: any text.
    """
    return sanitise(f"py{python}-{identifier}", _LENGTH)


class Name(msgspec.Struct, frozen=True):
    """A tag, read: the Python, the identifier, and what that stands for. Of a foreign tag the first two are empty."""

    tag: str
    kind: Kind
    python: str = ""
    identifier: str = ""


def read(text: str) -> Name:
    """A tag of a registry, which may be of anybody's."""
    python, kind = classify(text)
    return Name(text, kind, python, text[len(f"py{python}-") :]) if python else Name(text, kind)


def classify(text: str) -> tuple[str, Kind]:
    """The Python of a tag (empty where it names none) and what it stands for, in under a microsecond.

    >>> classify("py3.10-pr-7"), classify("buildcache-py3.10")
    (('3.10', 'pull-request'), ('', 'foreign'))
    """
    found = _READ(text)
    return (found[1], _OF_GROUP[found.lastindex or 0]) if found else ("", "foreign")


def _kind(identifier: str) -> Kind:
    return classify(f"py3.0-{identifier}")[1]


def branch(name: str) -> str:
    """A branch as an identifier. One that would read as a release, a commit, … is told apart from them.

    So is one that is named as another one's identifier is.

    >>> branch("main"), branch("v9.9")
    ('main', 'branch-v9.9-5a011113')
    >>> branch("feat/a"), branch("feat-a-d54ad782")
    ('feat-a-d54ad782', 'feat-a-d54ad782-ec53eeeb')
    """
    safe = sanitise(name, _LENGTH)
    if safe == name and _HASHED.search(name):
        safe = _hashed(safe, name, _LENGTH)
    if _kind(safe) in ("branch", "main") and not safe.startswith("branch-"):
        return safe
    return f"branch-{sanitise(name, _LENGTH // 2)}-{_short_hash(name)}"


def release(tag_of_git: str) -> Optional[str]:
    """``v1.2.3`` and ``1.2.3`` as the identifier ``v1.2.3``; None for a tag that is no version (PEP 440, SemVer)."""
    return None if version(tag_of_git) is None else f"v{tag_of_git[tag_of_git.startswith('v') :]}"


def version(text: str) -> Optional[Version]:
    """The version that a tag names, to be compared as one."""
    from packaging.version import InvalidVersion, Version  # noqa: PLC0415 - not on the warm path

    try:
        # PEP 440 takes a bare number, and "3403c67" for a release candidate: commits in short have such names.
        return Version(text) if re.match(r"v?[0-9]+\.", text) else None
    except InvalidVersion:
        return None


def fingerprint_tag(python: str, fingerprint: str) -> str:
    """The tag of the content itself: ``py3.10-fp-<16 hex digits>``."""
    return tag(python, f"fp-{fingerprint[:16]}")


def sanitise(text: str, length: int) -> str:
    """Text in the alphabet of tags, at most ``length`` characters.

    Where that changed or cut it a short hash of the original is appended: ``feat/a`` and ``feat-a`` stay two names.
    """
    safe = re.sub(r"[^A-Za-z0-9._-]+", "-", text)
    if not safe or safe[0] in ".-":
        safe = "_" + safe
    if safe == text and len(safe) <= length:
        return safe
    return _hashed(safe, text, length)


def _hashed(safe: str, text: str, length: int) -> str:
    return f"{safe[: length - _HASH - 1]}-{_short_hash(text)}"


def image_name(project: str, remote_url: Optional[str], config: Config) -> str:
    """The published name without tag: ``ghcr.io/<owner>/<project>-testground``; the local one where no owner is known.

    Raises:
        ConfigError: ``image`` is no valid image name.
    """
    if config.image is not None:
        return _checked(config.image)
    owner = _GITHUB.fullmatch(remote_url or "")
    name = local_name(project)
    return f"ghcr.io/{repository(owner.group('owner'))}/{name}" if owner else name


def local_name(project: str) -> str:
    """``<project>-testground``."""
    return f"{repository(project)}-testground"


def repository(text: str) -> str:
    """One component of an image name: lower case, words joined by single separators; a changed name gets a hash."""
    lower = text.lower()
    safe = re.sub(r"[^a-z0-9]+", "-", lower).strip("-")
    if safe and re.sub(r"[-_.]+", "-", lower) == safe and len(safe) <= _LENGTH // 2:
        return safe
    return f"{safe[: _LENGTH // 2]}-{_short_hash(text)}".strip("-")


def _checked(image: str) -> str:
    host, slash, rest = image.partition("/")
    named_host = bool(slash) and bool(re.search(r"[.:]|^localhost$", host))
    if REPOSITORY.fullmatch(rest if named_host else image) and (not named_host or _HOST.fullmatch(host)):
        return image
    raise ConfigError(
        f"[tool.noxlib] image = {image!r} is no image name without tag",
        f"write lower-case components joined by '/', for example ghcr.io/owner/{repository(image)}",
    )


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
