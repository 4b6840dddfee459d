"""The project's own lock, used as it is and never resolved again; pytest and coverage join under its pins."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noxlib import temporary
from noxlib.engines import uv
from noxlib.engines.index import mask
from noxlib.errors import LockError
from noxlib.testground import poetrylock, pylock, resolve
from noxlib.testground.lockinputs import included
from noxlib.testground.resolve import TOOLS, Target

if TYPE_CHECKING:
    from noxlib.config.project import Project

MAIN_FILE = "pylock.toml"
TOOLS_FILE = "pylock.tools.toml"
Entries = Mapping[str, Mapping[str, Any]]


def take(project: Project, target: Target, folder: Path) -> tuple[str, ...]:
    """Bring the own lock into ``folder``; the names of the files there. Raises LockError naming what renews it."""
    if project.lock_kind == "requirements":
        return _hashed_requirements(project, target, folder)
    text = _text(project, target)
    (folder / MAIN_FILE).write_text(text, "utf-8")
    env = pylock.environment(target.python, target.platform)
    entries = pylock.chosen(pylock.packages(text, project.lock_kind), env)
    return (MAIN_FILE, *_tools(project, target, folder, entries))


def _text(project: Project, target: Target) -> str:
    file = project.lock_files[target.python]
    if project.lock_kind == "uv.lock":
        return uv.export(project.root, project.extras, resolve.declared_groups(project), sys.executable)
    if project.lock_kind == "pylock":
        return _pylock(project, target, file)
    return poetrylock.select(project, target, file)


def _pylock(project: Project, target: Target, file: str) -> str:
    """A pylock.toml as it is, if it holds all that the project asks for directly."""
    text = (project.root / file).read_text("utf-8")
    env = pylock.environment(target.python, target.platform)
    missing = pylock.unmet(_direct(project), pylock.chosen(pylock.packages(text, file), env), env)
    if missing:
        raise LockError(f"{file} is out of date: it does not satisfy {missing!r}", "run: nox -s testground_lock")
    return mask(text)


def _direct(project: Project) -> list[str]:
    """The requirements that pyproject.toml states outright, without those on the project itself."""
    table = project.metadata.get("project", {})
    optional = table.get("optional-dependencies", {})
    groups = project.metadata.get("dependency-groups", {})
    stated = [*table.get("dependencies", ()), *project.packages, *project.group_requirements]
    stated += [requirement for extra in project.extras for requirement in optional.get(extra, ())]
    stated += [
        requirement for group in project.groups for requirement in groups.get(group, ()) if isinstance(requirement, str)
    ]
    return [
        requirement
        for requirement in stated
        if not requirement.replace("_", "-").lower().startswith(f"{project.name}[")
    ]


def _tools(project: Project, target: Target, folder: Path, entries: Entries) -> tuple[str, ...]:
    """A second file for what the own lock lacks, resolved under the lock's pins."""
    wanted = [*TOOLS, *project.packages]
    env = pylock.environment(target.python, target.platform)
    missing = [requirement for requirement in wanted if pylock.unmet([requirement], entries, env)]
    if not missing:
        return ()
    with temporary.folder() as aside:
        pins = aside / "pins.txt"
        pinned = (f"{name}=={entry['version']}" for name, entry in entries.items() if entry.get("version"))
        pins.write_text("".join(f"{line}\n" for line in pinned), "utf-8")
        request = uv.Request(
            cwd=project.root, python=target.python, interpreter=sys.executable, requirements=tuple(missing),
            constraints=(str(pins),), without=tuple(entries), platform=target.uv_platform,
            exclude_newer=target.exclude_newer,
        )  # fmt: skip
        (folder / TOOLS_FILE).write_text(resolve.compiled(request, target), "utf-8")
    return (TOOLS_FILE,)


def _hashed_requirements(project: Project, target: Target, folder: Path) -> tuple[str, ...]:
    """The files as they are, with those that they include, at the same places below ``folder``."""
    waiting, every = list(project.requirements), []
    while waiting:
        name = waiting.pop(0)
        if name in every or name.startswith(("/", "..")):
            continue
        every.append(name)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(project.root / name, folder / name)
        except OSError as error:
            raise LockError(
                f"cannot read {name}: {error.strerror}", "correct the name in the file that includes it"
            ) from error
        waiting += included(name, (folder / name).read_bytes())
    entries = poetrylock.pinned("".join((folder / name).read_text("utf-8") + "\n" for name in every), target)
    return (*project.requirements, *_tools(project, target, folder, entries))
