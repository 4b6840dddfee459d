"""Resolving: what the tests need, and what the project's build needs, each to an exact, hashed pylock.toml."""

from __future__ import annotations

import contextlib
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional

import msgspec

from noxlib import temporary
from noxlib.engines import uv
from noxlib.errors import LockError
from noxlib.testground import pylock
from noxlib.testground.lockinputs import is_dynamic, is_poetry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from noxlib.config.project import Project

TOOLS = ("pytest", "coverage")  #: always there: what runs the tests, and what ``nox -s coverage`` measures with
_FILE_SIZE = re.compile(r", size = \d+(?=[, }])")  # as uv writes it
_LOCAL = re.compile(r"^\s*(-e\b|--editable\b|\.{1,2}(/|\[|\s*$)|file:)", re.MULTILINE)
_NOT_COPIED = (
    ".git",
    ".noxlib",
    ".nox",
    ".tox",
    ".venv",
    "venv",
    "node_modules",
    "__pycache__",
    ".hypothesis",
    "*_cache",
)


class Target(msgspec.Struct, frozen=True):
    """For which Python, on which platform, as of when."""

    python: str
    platform: str  #: ``linux/amd64``, or ``host`` for this machine
    exclude_newer: Optional[str] = None
    derived: bool = False  #: ``exclude_newer`` is the time of a commit; nobody asked for it

    @property
    def uv_platform(self) -> Optional[str]:
        return None if self.platform == "host" else f"{pylock.machine(self.platform)}-manylinux_2_{pylock.GLIBC}"


def dependencies(
    project: Project, target: Target, *, constraints: Sequence[str] = (), tools: Sequence[str] = TOOLS
) -> str:
    """The text of a pylock.toml: all that the tests need but the project itself. Raises LockError."""
    with source_tree(project, throw_away=is_dynamic(project) or _names_local_path(project)) as tree:
        asked = uv.Request(
            cwd=tree,
            python=target.python,
            interpreter=sys.executable,
            sources=(*_metadata(project), *project.requirements),
            requirements=(*project.packages, *project.group_requirements, *tools),
            extras=project.extras if _metadata(project) else (),
            groups=declared_groups(project),
            constraints=(*project.config.constraints, *constraints),
            without=(project.name,) if project.is_package else (),
            platform=target.uv_platform,
            exclude_newer=target.exclude_newer,
        )
        return _checked(compiled(asked, target))


def compiled(request: uv.Request, target: Target) -> str:
    """Resolve; where only a date that nobody asked for is in the way, once more as of now (an index may lack dates)."""
    try:
        return lasting(uv.compile_lock(request))
    except LockError as error:
        if not target.derived or error.cause == "unreachable":
            raise
        text = lasting(uv.compile_lock(msgspec.structs.replace(request, exclude_newer=None)))
        print(
            f"noxlib: nothing satisfies the requirements as of {target.exclude_newer}; resolved as of now", flush=True
        )
        return text


def lasting(text: str) -> str:
    """A pylock.toml without the sizes of files: one index tells them at times, and a lock is known by its content.

    They are optional (packaging.python.org, pylock.toml), and a file's hash says more.
    """
    return _FILE_SIZE.sub("", text)


def _metadata(project: Project) -> tuple[str, ...]:
    if not project.is_package or is_poetry(project):
        return ()
    names = ("pyproject.toml", "setup.py", "setup.cfg")
    return next(((name,) for name in names if (project.root / name).is_file()), ())


def declared_groups(project: Project) -> tuple[str, ...]:
    """The chosen groups that uv knows: those of ``[dependency-groups]``."""
    known = project.metadata.get("dependency-groups", {})
    return tuple(group for group in project.groups if group in known)


def _names_local_path(project: Project) -> bool:
    files = (project.root / name for name in (*project.requirements, *project.config.constraints))
    return any(_LOCAL.search(file.read_text("utf-8", "replace")) for file in files if file.is_file())


def _checked(text: str) -> str:
    """No project source is in a testground: a folder cannot be locked."""
    for entry in pylock.packages(text, "the resolution"):
        if "directory" in entry:
            raise LockError(
                f"{entry['name']} is a folder of this machine ({entry['directory'].get('path')}), that no lock holds",
                "name a released version in [tool.noxlib] or the requirements, or bring your own Dockerfile.test",
            )
    return text


@contextlib.contextmanager
def source_tree(project: Project, *, throw_away: bool = True) -> Iterator[Path]:
    """The checkout, or a copy of it that a build may write into; the copy shares the checkout's git."""
    if not throw_away:
        yield project.root
        return
    with temporary.folder() as folder:
        tree = folder / project.root.name
        shutil.copytree(
            project.root,
            tree,
            symlinks=True,
            ignore=shutil.ignore_patterns(*_NOT_COPIED),
            ignore_dangling_symlinks=True,
        )
        git = project.root / ".git"
        if git.is_dir():
            (tree / ".git").write_text(f"gitdir: {git}\n", "utf-8")
        elif git.is_file():
            shutil.copy(git, tree / ".git")
        yield tree


def build(project: Project, requires: Sequence[str], target: Target) -> str:
    """The text of a pylock.toml for the build back end. Raises LockError."""
    asked: dict[str, Any] = {"platform": target.uv_platform, "exclude_newer": target.exclude_newer}
    request = uv.Request(
        cwd=project.root, python=target.python, interpreter=sys.executable, requirements=tuple(requires), **asked
    )
    return compiled(request, target)
