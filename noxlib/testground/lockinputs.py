"""What decides a lock: the tables and files that declare dependencies, and nothing else of a project. Pure.

A file is read through a function, so that the same question can be asked of the checkout and of an older commit.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from noxlib.config.project import Project

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # type: ignore[import-not-found, unused-ignore]

Reader = Callable[
    [str], Optional[bytes]
]  #: POSIX path relative to the root -> content, None where there is no such file

VERSION = 1  #: of the resolution itself: what is asked of uv beside the inputs
_PROJECT = ("name", "dependencies", "optional-dependencies", "dynamic", "requires-python")
_NOXLIB = ("extras", "groups", "requirements", "packages", "fixtures", "constraints", "exclude_newer")
_POETRY = ("name", "dependencies", "dev-dependencies", "group", "extras", "source", "package-mode")
_INCLUDE = re.compile(r"^\s*(?:-r|-c|--requirement|--constraint)[=\s]\s*(\S+)", re.MULTILINE)
_READ_BY_SETUP = re.compile(r"""["']([\w./-]+\.(?:txt|in))["']""")
_SETUP_CFG = ("metadata", "options", "options.extras_require")


def lock_key(project: Project, python: str, platform: str, exclude_newer: Optional[str], read: Reader) -> str:
    """SHA-256 over all that decides the lock of one Python.

    Args:
        project: What was detected counts: extras, groups, files, packages, the project's own lock.
        python: As uv names it.
        platform: ``linux/amd64`` or the machine's own, with its C library.
        exclude_newer: Time before which packages were uploaded, or None.
        read: The checkout's files.
    """
    own = project.lock_files.get(python)
    chosen = [
        VERSION, project.name, python, platform, exclude_newer, project.lock_kind, own,
        project.extras, project.groups, project.requirements, project.group_requirements,
        project.packages, project.config.constraints, project.is_package, str(project.build),
    ]  # fmt: skip
    paths = (*declaring_files(project, read), *(_closure([own], read) if own else ()))
    return _digest([chosen, declared(paths, read)])


def declared(paths: tuple[str, ...], read: Reader) -> str:
    """SHA-256 over what the files declare: of pyproject.toml and setup.cfg the tables that matter, else all."""
    return _digest([(path, _relevant(path, read(path))) for path in paths])


def declaring_files(project: Project, read: Reader) -> tuple[str, ...]:
    """The files that declare the dependencies, those that they include and that a dynamic build reads among them."""
    first = ["pyproject.toml", "noxlib.toml", *project.requirements, *project.config.constraints]
    if is_dynamic(project):
        first += ["setup.py", "setup.cfg", *_read_by_build(project.metadata, read)]
    return _closure(first, read)


def is_dynamic(project: Project) -> bool:
    """Whether only the project's own build knows its dependencies."""
    if not project.is_package:
        return False
    if is_poetry(project):
        return False  # its tables are read without a build
    table = project.metadata.get("project")
    dynamic = table.get("dynamic", ()) if isinstance(table, dict) else ("dependencies",)
    return bool({"dependencies", "optional-dependencies"} & set(dynamic))


def is_poetry(project: Project) -> bool:
    """Whether poetry's own table is all the metadata: its requirements come translated, as ``group_requirements``."""
    return "project" not in project.metadata and "poetry" in project.metadata.get("tool", {})


def has_own_lock(project: Project, python: str) -> bool:
    """Whether the project keeps a lock for this Python; one without is resolved."""
    return project.lock_kind != "none" and python in project.lock_files


def _read_by_build(metadata: Mapping[str, Any], read: Reader) -> Iterator[str]:
    """Files that a dynamic build is known to read its dependencies from."""
    tool = metadata.get("tool", {})
    dynamic = tool.get("setuptools", {}).get("dynamic", {})
    tables = [dynamic.get("dependencies", {}), *dynamic.get("optional-dependencies", {}).values()]
    for table in tables:
        files = table.get("file", ()) if isinstance(table, dict) else ()
        yield from [files] if isinstance(files, str) else files
    hook = tool.get("hatch", {}).get("metadata", {}).get("hooks", {}).get("requirements_txt", {})
    yield from hook.get("files", ())
    for script in ("setup.py", "setup.cfg"):
        text = (read(script) or b"").decode("utf-8", "replace")
        yield from _READ_BY_SETUP.findall(text)
        yield from (name.strip() for match in re.findall(r"file:\s*(.+)", text) for name in match.split(","))


def _closure(paths: list[str], read: Reader) -> tuple[str, ...]:
    """The paths that exist, and the requirements files that they include, sorted."""
    seen: dict[str, bool] = {}
    waiting = list(paths)
    while waiting:
        path = posixpath.normpath(waiting.pop())
        if path in seen or path.startswith(("/", "..")):
            continue
        content = read(path)
        seen[path] = content is not None
        waiting += included(path, content or b"")
    return tuple(sorted(path for path, exists in seen.items() if exists))


def included(path: str, content: bytes) -> list[str]:
    """The files that a requirements file includes by ``-r`` or ``-c``, relative to the root. URLs are no files."""
    if posixpath.splitext(path)[1] not in (".txt", ".in", ""):
        return []
    names = _INCLUDE.findall(content.decode("utf-8", "replace"))
    return [posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in names if "://" not in name]


def _relevant(path: str, content: Optional[bytes]) -> Any:
    if content is None:
        return None
    readers = {"pyproject.toml": _tables, "noxlib.toml": _own_tables, "setup.cfg": _sections}
    try:
        return readers.get(path, _whole)(content)
    except (ValueError, AttributeError):  # no UTF-8, no TOML, no tables: possible in an older commit
        return _whole(content)


def _whole(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _own_tables(content: bytes) -> dict[str, Any]:
    return _pick(tomllib.loads(content.decode("utf-8")), _NOXLIB)


def _tables(content: bytes) -> dict[str, Any]:
    parsed = tomllib.loads(content.decode("utf-8"))
    tool = parsed.get("tool", {})
    poetry = {key: value for key, value in tool.items() if key == "poetry" and isinstance(value, dict)}
    return {
        "project": _pick(parsed.get("project", {}), _PROJECT),
        "groups": parsed.get("dependency-groups"),
        "build": parsed.get("build-system"),
        "uv": tool.get("uv"),
        "poetry": _pick(poetry.get("poetry", {}), _POETRY),
        "pdm": _pick(tool.get("pdm", {}), ("dev-dependencies", "source", "resolution", "overrides")),
        "dynamic": tool.get("setuptools", {}).get("dynamic"),
        "hooks": tool.get("hatch", {}).get("metadata"),
        "noxlib": _pick(tool.get("noxlib", {}), _NOXLIB),
    }


def _pick(table: Any, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: table[key] for key in keys if key in table} if isinstance(table, dict) else {}


def _sections(content: bytes) -> Any:
    import configparser  # noqa: PLC0415 - many projects have no such file

    parser = configparser.RawConfigParser()
    try:
        parser.read_string(content.decode("utf-8"))
    except configparser.Error:
        return _whole(content)
    return {name: dict(parser.items(name)) for name in _SETUP_CFG if parser.has_section(name)}


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
