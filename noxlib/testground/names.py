"""Names of testgrounds: one function makes tags, for build, publish, run and the docs alike. Pure."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Optional

from noxlib.errors import ConfigError

if TYPE_CHECKING:
    from noxlib.config.models import Config

TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")  #: OCI distribution specification, "Pulling manifests"
REPOSITORY = re.compile(
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)  #: the same, ``<name>``
_HOST = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?")
_LENGTH = 128
_HASH = 8  # hex digits that keep two names apart which sanitising made equal
_GITHUB = re.compile(r"(?:https?://(?:[^@/]*@)?|ssh://git@|git@)github\.com[:/](?P<owner>[^/]+)/[^/]+?(?:\.git)?/?")


def tag(python: str, identifier: str) -> str:
    """The tag ``py3.10-<identifier>``, valid whatever the identifier.

    Args:
        python: The Python as uv names it, ``3.10``, ``pypy3.11``.
        identifier: A branch, a version, ``pr-12``, a commit: any text.
    """
    return sanitise(f"py{python}-{identifier}", _LENGTH)


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
