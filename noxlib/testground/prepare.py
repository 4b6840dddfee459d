"""The key of prepared files: what the project's own build would read, so that an edit of code rebuilds nothing.

Prepared files are what the build makes (metadata, generated versions, extensions). They are made once per key and laid
over the checkout in every place.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from noxlib.config.project import Project
from noxlib.engines import git

VERSION = 1
# Where a build looks for what it is told to do; what these say is all that a pure project's build reads.
_INSTRUCTIONS = re.compile(
    r"(pyproject\.toml|setup\.py|setup\.cfg|MANIFEST\.in|(hatch|pdm)_build\.py|build\.py|versioneer\.py|VERSION.*"
    r"|meson\.(build|options)|meson_options\.txt|CMakeLists\.txt|Cargo\.(toml|lock)|.*\.cmake"
    r"|.*\.(c|h|cc|cpp|cxx|hpp|hh|hxx|pyx|pxd|pxi|f|f77|f90|f95|for|rs|s|asm|cu|inc|def|i|y|l|in|tmpl|template|proto))",
    re.IGNORECASE,
)
_VERSION_LINE = re.compile(rb"^\s*_*version_*\s*(?::\s*\w+\s*)?=.*$", re.MULTILINE | re.IGNORECASE)
_VERSION_FILES = ("__init__.py", "__about__.py", "__version__.py", "_version.py", "version.py")
_FROM_GIT = re.compile(r"setuptools[-_]?scm|hatch-vcs|versioningit|flit[-_]scm|poetry-dynamic-versioning|dunamai|vcs")
_SKIPPED = frozenset(("node_modules", "__pycache__", "build", "dist", "site-packages"))


class Prepared(msgspec.Struct, frozen=True):
    """Prepared files in the cache. ``site`` goes on the path, ``tree`` over the checkout."""

    key: str
    site: Path
    tree: Path
    files: tuple[str, ...]  #: relative paths below ``tree``
    import_names: tuple[str, ...] = ()
    environment: dict[str, str] = {}


class _Report(msgspec.Struct):
    """``prepared.json`` as inside/prepare.py writes it."""

    import_names: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    environment: dict[str, str] = {}


def read(key: str, folder: Path) -> Prepared:
    """What inside/prepare.py left in ``folder``."""
    report = msgspec.json.decode((folder / "prepared.json").read_bytes(), type=_Report)
    return Prepared(key, folder / "site", folder / "tree", report.files, report.import_names, report.environment)


def key(project: Project, python: str, platform: str, workspace: str, build_lock: str) -> str:
    """SHA-256 over all that decides what the project's build makes.

    Args:
        project: The project; its back end and its files count.
        python: Interpreter as uv names it.
        platform: Where it is built, ``linux/amd64``.
        workspace: The path at which it is built: editable metadata names it.
        build_lock: Digest of the locked back end.
    """
    digest = hashlib.sha256()
    for part in (str(VERSION), python, platform, workspace, build_lock, str(project.build), project.name):
        digest.update(part.encode() + b"\0")
    for line in sorted(_inputs(project.root)):
        digest.update(line + b"\0")
    if reads_git(project):
        digest.update((git.describe(project.root) or "").encode())
    return digest.hexdigest()[:32]


def reads_git(project: Project) -> bool:
    """Whether the version comes from tags, so that each commit is another build."""
    requires = " ".join(project.build.requires) if project.build else ""
    tools = project.metadata.get("tool", {})
    scm = tools.get("pdm", {}).get("version", {})
    return bool(
        _FROM_GIT.search(requires.lower())
        or "setuptools_scm" in tools
        or (isinstance(scm, dict) and scm.get("source") == "scm")
        or (project.root / "versioneer.py").exists()
    )


def _inputs(root: Path) -> Iterator[bytes]:
    """Each input as path and content; of a package's own code its folder and its version line only."""
    for path, name in _files(str(root)):
        relative = os.path.relpath(path, root).encode()
        if _INSTRUCTIONS.fullmatch(name):
            yield relative + b"=" + hashlib.sha256(Path(path).read_bytes()).digest()
        elif name in _VERSION_FILES:
            yield relative + b"~" + b"\n".join(_VERSION_LINE.findall(Path(path).read_bytes()))


def _files(folder: str) -> Iterator[tuple[str, str]]:
    """Path and name of each regular file, caches, virtual environments and what a build leaves skipped."""
    with os.scandir(folder) as entries:
        listed = list(entries)
    if any(entry.name == "pyvenv.cfg" for entry in listed):
        return
    for entry in listed:
        if entry.is_dir(follow_symlinks=False):
            if not entry.name.startswith(".") and entry.name not in _SKIPPED and not entry.name.endswith(".egg-info"):
                yield from _files(entry.path)
        elif entry.is_file():
            yield entry.path, entry.name


def overtaken(prepared: Prepared, root: Path) -> tuple[str, ...]:
    """Prepared files that the checkout has come to own since: a stale copy must never hide them."""
    there = tuple(name for name in prepared.files if os.path.lexists(root / name))
    return tuple(name for name in there if name not in git.ignored(root, there)) if there else ()


def digest(names: tuple[str, ...]) -> str:
    """A short name for a set of paths."""
    return hashlib.sha256("\0".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()[:8]
