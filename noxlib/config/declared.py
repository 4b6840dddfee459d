"""What a project declares of itself in its metadata: name, back end, extras, groups. Static reading only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Optional

from noxlib.config.checks import check_requirement
from noxlib.config.dependencies import Available
from noxlib.config.files import Sources, wrong_type
from noxlib.config.found import Found
from noxlib.config.poetry import group_table, main_table, poetry_groups, requirements
from noxlib.config.project import BuildSystem
from noxlib.config.requirements import find_requirement_files
from noxlib.config.values import check_name, normalise

LEGACY = BuildSystem(("setuptools>=40.8.0",), "setuptools.build_meta:__legacy__")
POETRY = BuildSystem(("poetry-core>=1.0.0",), "poetry.core.masonry.api")


def find_name(sources: Sources) -> tuple[str, str]:
    """The normalised name (PEP 503), and from where; the folder's name where nothing declares one.

    Raises:
        ConfigError: the declared name is none.
    """
    for keys in (("project", "name"), ("tool", "poetry", "name"), ("tool", "flit", "metadata", "module")):
        name = sources.string(*keys)
        if name:
            return _checked(name, ".".join(keys)), "pyproject.toml: " + ".".join(keys)
    name = sources.setup_cfg.get("metadata", {}).get("name", "")
    if name and not name.startswith(("attr:", "file:")):
        return clean_name(name), "setup.cfg: metadata.name"
    name = sources.setup_py_literals.name if sources.has_setup_py else ""
    return (clean_name(name), "setup.py: name") if name else (clean_name(sources.root.name), "name of the folder")


def _checked(name: str, key: str) -> str:
    try:
        check_name(name)
    except ValueError as error:
        raise wrong_type(key, str(error), name) from None
    return normalise(name)


def clean_name(text: str) -> str:
    """Any text as a distribution's name; it may be a folder called anything."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "project"


def is_package(sources: Sources) -> bool:
    """Whether the project declares dependencies as packages do."""
    data = sources.pyproject
    own = "project" in data or "build-system" in data or bool(sources.table("tool", "poetry"))
    return own or sources.has_setup_py or "metadata" in sources.setup_cfg


def find_build(sources: Sources) -> Optional[BuildSystem]:
    """The back end that makes the project importable; None where there is nothing to build.

    Raises:
        ConfigError: [build-system] is malformed.
    """
    if not is_package(sources) or _is_virtual(sources):
        return None
    table = sources.table("build-system")
    if not table:
        only_poetry = sources.table("tool", "poetry") and "project" not in sources.pyproject
        return POETRY if only_poetry and not sources.has_setup_py else LEGACY
    backend = sources.string("build-system", "build-backend") or LEGACY.backend
    needed = sources.strings("build-system", "requires")
    return BuildSystem(needed, backend, sources.strings("build-system", "backend-path"))


def _is_virtual(sources: Sources) -> bool:
    """Projects that say that they are no package, in the words of uv, poetry and pdm."""
    words = (("uv", "package"), ("poetry", "package-mode"), ("pdm", "distribution"))
    return any(sources.table("tool", tool).get(key) is False for tool, key in words)


def find_available(sources: Sources) -> Available:
    """Every extra, group and requirements file.

    Raises:
        ConfigError: a table of pyproject.toml is malformed.
    """
    extras, known = _extras(sources)
    groups = Found(tuple(sources.table("dependency-groups")), "pyproject.toml: dependency-groups")
    foreign = {name: origin for origin, names in _foreign(sources) for name in names}
    origin = ", ".join(dict.fromkeys(foreign.values()))
    files = find_requirement_files(sources.root)
    return Available(extras, groups, Found(tuple(foreign), origin), files, known)


def _extras(sources: Sources) -> tuple[Found, bool]:
    for keys in (
        ("project", "optional-dependencies"),
        ("tool", "setuptools", "dynamic", "optional-dependencies"),
        ("tool", "poetry", "extras"),
        ("tool", "flit", "metadata", "requires-extra"),
    ):
        names = tuple(sources.table(*keys))
        if names:
            return Found(names, "pyproject.toml: " + ".".join(keys)), True
    names = tuple(sources.setup_cfg.get("options.extras_require", {}))
    if names:
        return Found(names, "setup.cfg: options.extras_require"), True
    literal = sources.setup_py_literals.extras if sources.has_setup_py else ()
    dynamic = "optional-dependencies" in sources.strings("project", "dynamic")
    return Found(literal or (), "setup.py: extras_require"), literal is not None and not dynamic


def _foreign(sources: Sources) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The groups of tools that uv does not read: where, and their names."""
    yield "pyproject.toml: tool.poetry.group", poetry_groups(sources)
    yield "pyproject.toml: tool.pdm.dev-dependencies", tuple(sources.table("tool", "pdm", "dev-dependencies"))
    if "dev-dependencies" in sources.table("tool", "uv"):
        yield "pyproject.toml: tool.uv.dev-dependencies", ("dev",)


def foreign_requirements(
    sources: Sources, groups: tuple[str, ...], extras: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The requirement strings that uv cannot read itself, and a line for each that cannot be read here either.

    Those of the groups, and of a poetry project without [project] the main ones and the extras'.

    Raises:
        ConfigError: one of them is malformed.
    """
    table: dict[str, tuple[str, Any]] = {}
    if "project" not in sources.pyproject:
        table.update(main_table(sources, extras))
    strings: list[str] = []
    unread: list[str] = []
    found = [requirements(table)]
    for group in groups:
        found += [requirements(group_table(sources, group)), *_listed(sources, group)]
    for good, bad in found:
        strings += good
        unread += bad
    return tuple(dict.fromkeys(strings)), tuple(unread)


def _listed(sources: Sources, group: str) -> Iterator[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Groups that are lists of requirement strings already: pdm's, and uv's old one."""
    places: list[tuple[str, ...]] = [("tool", "pdm", "dev-dependencies", group)]
    if group == "dev":
        places.append(("tool", "uv", "dev-dependencies"))
    for keys in places:
        lines = sources.strings(*keys)
        good = tuple(line for line in lines if not line.startswith("-"))
        for line in good:
            _check_line(line, ".".join(keys))
        bad = (line for line in lines if line.startswith("-"))
        yield good, tuple(f"{line!r} is a local path; name a release in [tool.noxlib]: packages = […]" for line in bad)


def _check_line(line: str, key: str) -> None:
    try:
        check_requirement(line)
    except ValueError as error:
        raise wrong_type(key, str(error.args[0]), line) from None
