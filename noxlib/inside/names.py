"""Which top-level names a project's editable install makes importable: what the import guard has to watch."""

from __future__ import annotations

import ast
import importlib.machinery
import os
import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

NOT_THE_PROJECT = {
    *("test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "script", "scripts"),
    *("tool", "tools", "setup", "conftest", "noxfile", "fabfile", "tasks", "versioneer", "build", "dist", "bin"),
}
MODULE_ENDINGS = tuple(sorted(importlib.machinery.all_suffixes(), key=len, reverse=True))
HELPERS = re.compile(r"(__editable___.*finder|_.*_editable_loader|_.*_editable|__editables_.*|_editable_.*)\.py")


def of_distribution(site: Path, dist_info: Path, workspace: Path) -> list[str]:
    """Top-level names of the distribution: top_level.txt, else its .pth files, finders and modules."""
    top_level = dist_info / "top_level.txt"
    if top_level.exists() and top_level.read_text(encoding="utf-8").split():
        return chosen(top_level.read_text(encoding="utf-8").split())
    found = [*in_wheel(site), *mapped(site)]
    for folder in pth_folders(site):
        found += below(folder, workspace, dist_info.name.split("-")[0])
    return chosen(found)


def chosen(found: Iterable[str]) -> list[str]:
    """Identifiers only, without what is seldom the project; with it where nothing else is left."""
    identifiers = sorted({name for name in found if name.isidentifier()})
    return [name for name in identifiers if name not in NOT_THE_PROJECT] or identifiers


def in_wheel(site: Path) -> Iterator[str]:
    """Modules and packages that the wheel itself brought (extensions of maturin, scikit-build-core)."""
    for entry in sorted(site.iterdir()):
        if entry.is_dir() and not entry.name.endswith(".dist-info") and entry.name != "bin":
            yield entry.name
        elif not HELPERS.fullmatch(entry.name):
            yield module_name(entry.name)


def module_name(file: str) -> str:
    """The module that a file name stands for, or an empty string."""
    return next((file[: -len(ending)] for ending in MODULE_ENDINGS if file.endswith(ending)), "")


def pth_folders(site: Path) -> list[Path]:
    """Folders that the .pth files put on ``sys.path``."""
    lines = [line for file in sorted(site.glob("*.pth")) for line in file.read_text(encoding="utf-8").splitlines()]
    paths = [
        site / line.strip() for line in lines if line.strip() and not line.startswith(("import ", "import\t", "#"))
    ]
    return [path for path in paths if path.is_dir()]


def below(folder: Path, workspace: Path, distribution: str) -> list[str]:
    """Packages and modules directly in a folder of sources.

    In the project's root, where much else lies, a folder without ``__init__.py`` counts only if it is named like the
    distribution; elsewhere it may be a namespace package.
    """
    own = re.sub(r"[-_.]+", "_", distribution).lower()
    found = []
    for entry in sorted(folder.iterdir()):
        if entry.is_dir():
            name, counts = entry.name, is_package(entry, folder == workspace and entry.name.lower() != own)
        else:
            name, counts = module_name(entry.name), True
        if counts and name not in getattr(sys, "stdlib_module_names", ()):
            found.append(name)
    return [name for name in chosen(found) if name not in NOT_THE_PROJECT]


def is_package(folder: Path, strictly: bool) -> bool:
    if (folder / "__init__.py").exists():
        return True
    if strictly or folder.name.endswith((".egg-info", ".dist-info")) or folder.name == "__pycache__":
        return False
    return any(name.endswith(MODULE_ENDINGS) for _, _, files in os.walk(folder) for name in files)


def mapped(site: Path) -> Iterator[str]:
    """Names that import hooks know: the tables in the modules that setuptools, meson-python and others generate."""
    for file in sorted(site.glob("*.py")):
        if HELPERS.fullmatch(file.name):
            for table in tables(ast.parse(file.read_text(encoding="utf-8"))):
                yield from (name.split(".")[0] for name in table)


def tables(module: ast.Module) -> Iterator[list[str]]:
    """Keys of ``MAPPING = {…}`` and ``NAMESPACES = {…}``; of the dicts and sets that a hook is installed with."""
    for node in module.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id in ("MAPPING", "NAMESPACES") for target in targets):
                yield strings(node.value)
    for call in installing(module):
        yield from [strings(argument) for argument in call.args if isinstance(argument, (ast.Dict, ast.Set))]


def installing(module: ast.Module) -> list[ast.Call]:
    """Calls that install an import hook: of scikit-build-core and older meson-python, and of newer meson-python."""
    calls = [node for node in ast.walk(module) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    return [call for call in calls if getattr(call.func, "id", "") in ("install", "MesonpyMetaFinder")]


def strings(node: ast.expr | None) -> list[str]:
    """Text constants among the keys of a dict, or the members of a set or list."""
    if isinstance(node, ast.Dict):
        members: list[ast.expr | None] = list(node.keys)
    else:
        members = list(node.elts) if isinstance(node, (ast.Set, ast.List, ast.Tuple)) else []
    return [
        str(member.value) for member in members if isinstance(member, ast.Constant) and isinstance(member.value, str)
    ]
