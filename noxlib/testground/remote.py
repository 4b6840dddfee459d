"""A project's repository in a registry: which one it is, what was meant by a word, what is there under it."""

from __future__ import annotations

import functools
import os
import re
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import git, registryauth, revisions
from noxlib.engines.registry import DIGEST, Manifest, Registry
from noxlib.engines.registryauth import Credentials
from noxlib.errors import ConfigError, PlaceError
from noxlib.places import box
from noxlib.testground import names

if TYPE_CHECKING:
    from noxlib.config.project import Project

_HEX = re.compile(r"[0-9a-f]{7,64}")


class Found(msgspec.Struct, frozen=True):
    """A testground in a registry: the manifest, and the tag by which it was found (none for a digest)."""

    digest: str
    tag: Optional[str] = None


def image_of(project: Project) -> str:
    """The name under which the project's testgrounds are published.

    Raises:
        ConfigError: No registry is configured, and git's remote names none.
    """
    image = names.image_name(project.name, git.remote_url(project.root), project.config)
    if registryauth.split(image)[0] == "docker.io" and not image.startswith("docker.io/"):
        raise ConfigError(
            "no registry is known for this project's testgrounds",
            f'set image in [tool.noxlib], for example image = "ghcr.io/owner/{names.local_name(project.name)}"',
        )
    return image


def open_registry(image: str) -> Registry:
    """The repository of an image, with this machine's credentials for it. Raises ConfigError, EngineError.

    The same one for all sessions of a process: its connection and its token are good for each Python.
    """
    found = registryauth.find(registryauth.split(image)[0], os.environ)
    return _opened(image, *((found.user, found.password) if found else (None, None)))


@functools.lru_cache(maxsize=8)
def _opened(image: str, user: Optional[str], password: Optional[str]) -> Registry:
    return Registry(image, Credentials(user, password) if user and password else None)


def identifiers(asked: str, project: Project) -> tuple[str, ...]:
    """What a word may stand for, in the order in which it is looked for; a digest stands for itself.

    A release, ``latest``, ``pr-N``, a whole commit; else what git takes for a commit, unless a branch is named so.
    """
    word = asked or "HEAD"
    if DIGEST.fullmatch(word):
        return (word,)
    release = names.release(word)
    if release is not None and word[:1] == "v":
        return (release,)
    kind = names.read(f"py3.0-{word}").kind
    if kind in ("latest", "pull-request", "commit", "fingerprint"):
        return (word,)
    commit = (
        revisions.resolve(project.root, word)
        if word == "HEAD" or _HEX.fullmatch(word) or re.search(r"[~^]", word)
        else None
    )
    found = (commit,) if commit else ()
    if word == "HEAD":
        return found
    return (*found, names.branch(word), *((release,) if release else ()))


def words(asked: str, python: str, project: Project) -> tuple[str, ...]:
    """The same where a whole tag may be named, ``py3.10-main``, as it stands in a list: that is looked for first."""
    tag = names.read(asked)
    whole = (tag.identifier,) if tag.python == python else ()
    return (*whole, *identifiers(asked, project))


def find(registry: Registry, python: str, asked: str, project: Project) -> Found:
    """What the registry has for a word. Moving tags are asked for anew each time.

    Raises:
        PlaceError: Nothing is published for it (cause ``absent``).
        EngineError: The registry fails.
    """
    tried = []
    for identifier in words(asked, python, project):
        if DIGEST.fullmatch(identifier):
            digest, tag = registry.digest(identifier), None
        else:
            tag = names.tag(python, identifier)
            digest = registry.digest(tag)
        if digest is not None:
            return Found(digest, tag)
        tried.append(tag or identifier)
    what = f"no testground is published for {f'{asked:.200}' or 'the checked out commit'}"
    raise PlaceError(
        f"{what}: {registry.image} has no {' and no '.join(tried) or 'tag for it, since git knows no commit here'}",
        _other(asked, python),
        cause="absent",
    )


def _other(asked: str, python: str) -> str:
    """What to name instead."""
    of = names.read(asked).python
    if of and of != python:
        return f"that is a tag of Python {of}: nox -s testground_pull-{of} -- {asked:.200}"
    if asked.startswith("sha256:") and not DIGEST.fullmatch(asked):
        return "a digest has 64 hex digits: nox -s testground_list -- --json shows them whole"
    return f"name a branch, a release or a commit that was published (nox -s testground_pull-{python} -- main)"


def fingerprint(registry: Registry, manifest: Manifest) -> Optional[str]:
    """The fingerprint that a published testground bears; None for an image of another program."""
    found = labels(registry, manifest).get(f"{box.LABEL}fingerprint", "")
    return found if re.fullmatch(r"[0-9a-f]{64}", found) else None


def labels(registry: Registry, manifest: Manifest) -> dict[str, str]:
    """The labels of a published image; none of an index."""
    digest = configuration_digest(manifest)
    config = registry.configuration(digest).get("config") if digest else None
    found = config.get("Labels") if isinstance(config, dict) else None
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def configuration_digest(manifest: Manifest) -> Optional[str]:
    """The id of the image of a manifest; None for an index."""
    config = manifest.content().get("config")
    digest = config.get("digest") if isinstance(config, dict) else None
    return digest if isinstance(digest, str) and DIGEST.fullmatch(digest) else None
