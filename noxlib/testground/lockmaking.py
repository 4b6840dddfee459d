"""Making a lock's folder: the project's own lock as it is, or a resolution; then the build back end's."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from noxlib.testground import backend, ownlock, pylock, resolve
from noxlib.testground.locked import BUILD_FILE, Contents, digest
from noxlib.testground.lockinputs import has_own_lock

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.config.project import Project
    from noxlib.testground.resolve import Target


def make(project: Project, target: Target, folder: Path) -> Contents:
    """Write the lock's files into ``folder`` and say what they are. Raises LockError."""
    own = has_own_lock(project, target.python)
    if not own:
        (folder / "pylock.toml").write_text(resolve.dependencies(project, target), "utf-8")
        files: tuple[str, ...] = ("pylock.toml",)
    else:
        files = ownlock.take(project, target, folder)
    build_files: tuple[str, ...] = ()
    if project.build is not None:
        text = resolve.build(project, backend.requirements(project, target), target)
        (folder / BUILD_FILE).write_text(text, "utf-8")
        build_files = (BUILD_FILE,)
    every = (*files, *build_files)
    from_source, needs_git = _toolchain(folder, every, target)
    source = project.lock_kind if own else "resolved"
    made = Contents(files, build_files, source, "", from_source, needs_git, _others(folder, every))
    return msgspec.structs.replace(made, digest=digest(folder, made.every))


def _others(folder: Path, names: tuple[str, ...]) -> tuple[str, ...]:
    there = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return tuple(sorted(set(there) - set(names)))


def _toolchain(folder: Path, names: tuple[str, ...], target: Target) -> tuple[tuple[str, ...], bool]:
    """The packages that have to be built, and whether one comes from a repository."""
    env = pylock.environment(target.python, target.platform)
    texts = {name: (folder / name).read_text("utf-8") for name in names if name.endswith(".toml")}
    entries = [
        entry for name, text in texts.items() for entry in pylock.chosen(pylock.packages(text, name), env).values()
    ]
    built = sorted({entry["name"] for entry in entries if pylock.source_only(entry, target.python, target.platform)})
    return tuple(built), any("vcs" in entry for entry in entries)
