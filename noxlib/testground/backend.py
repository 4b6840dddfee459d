"""What a project's build asks for: ``build-system.requires``, and what its back end adds for an editable install."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from noxlib import temporary
from noxlib.engines import process, uv
from noxlib.errors import BuildError, NoxlibError
from noxlib.testground.resolve import source_tree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from noxlib.config.project import BuildSystem, Project
    from noxlib.testground.resolve import Target

_SECONDS = 120.0
# PATH of the hook: only these, so that a cmake, ninja or patchelf of this machine is not taken for one in the builder.
_PROGRAMS = ("git", "hg", "sh", "env", "uname", "cc", "gcc", "c++", "g++", "ld", "as", "make", "pkg-config")
_ASKED_FOR = {"meson-python": ("ninja", "patchelf"), "scikit-build-core": ("cmake", "ninja")}
_HOOK = """
import importlib, json, os, sys
backend, paths, result = json.loads(sys.argv[1])
sys.path[:0] = [os.path.abspath(path) for path in paths]
module, _, attributes = backend.partition(":")
target = importlib.import_module(module)
for name in filter(None, attributes.split(".")):
    target = getattr(target, name)
hook = getattr(target, "get_requires_for_build_editable", None)
found = list(hook({}) or ()) if hook else []
with open(result, "w", encoding="utf-8") as stream:
    json.dump(found, stream)
"""


def requirements(project: Project, target: Target) -> tuple[str, ...]:
    """The requirement strings of the build back end; empty where nothing is built."""
    if project.build is None:
        return ()
    return tuple(dict.fromkeys((*project.build.requires, *_asked_for(project, project.build, target))))


def _asked_for(project: Project, build: BuildSystem, target: Target) -> tuple[str, ...]:
    """The hook's answer (PEP 660). Where it fails, as it does for a Python it was not made for, what is known of it."""
    try:
        return _call_hook(project, build, target)
    except (NoxlibError, ValueError, OSError) as error:
        known = _known(build)
        print(
            f"noxlib: the build back end did not say what it needs ({_first_line(error)}); taken: {known or 'nothing'}",
            flush=True,
        )
        return known


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _known(build: BuildSystem) -> tuple[str, ...]:
    names = [re.split(r"[^A-Za-z0-9._-]", requirement.strip(), maxsplit=1)[0] for requirement in build.requires]
    normal = [re.sub(r"[-_.]+", "-", name).lower() for name in names]
    return tuple(need for name in normal for need in _ASKED_FOR.get(name, ()))


def _call_hook(project: Project, build: BuildSystem, target: Target) -> tuple[str, ...]:
    with source_tree(project) as tree, temporary.folder() as folder:
        environment, result = folder / "venv", folder / "requires.json"
        uv.create_environment(environment, sys.executable)
        if build.requires:
            _install(environment, build.requires, project.root, target)
        call = json.dumps([build.backend, build.backend_path, str(result)])
        argv = [str(environment / "bin" / "python"), "-c", _HOOK, call]
        done = process.run(argv, cwd=tree, env=_variables(environment, folder / "bin"), timeout=_SECONDS)
        if not result.exists():
            raise ValueError((done.stderr.strip().splitlines() or ["it wrote no answer"])[-1])
        answer = json.loads(result.read_text("utf-8"))
        return tuple(str(requirement) for requirement in answer)


def _install(environment: Path, requires: Sequence[str], root: Path, target: Target) -> None:
    """The back end as of the lock's own date: setuptools asked for wheel until 70.1, and asks for it no more."""
    try:
        uv.install_requirements(environment, requires, root, exclude_newer=target.exclude_newer)
    except BuildError:
        if not target.derived:
            raise
        uv.install_requirements(environment, requires, root)


def _variables(environment: Path, programs: Path) -> dict[str, str]:
    """The hook's environment: ours, with a PATH as bare as the builder's."""
    programs.mkdir()
    for name in _PROGRAMS:
        found = shutil.which(name)
        if found:
            (programs / name).symlink_to(found)
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "VIRTUAL_ENV", "CMAKE"))}
    return {**kept, "PATH": f"{environment / 'bin'}:{programs}", "GIT_OPTIONAL_LOCKS": "0"}
