"""Guards before the first test: the interpreter is the promised one, the code under test is the workspace's."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
import sysconfig
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from importlib.machinery import ModuleSpec

IMPLEMENTATIONS = {"": "cpython", "cpython": "cpython", "pypy": "pypy", "graalpy": "graalpy"}
NAME = re.compile(r"(?P<implementation>[a-z]*)-?(?P<version>\d+\.\d+(\.\d+)?)(?P<free>t?)")
INSTALLED = {"site-packages", "dist-packages"}


def interpreter(python: str) -> str | None:
    """Say what is wrong if this interpreter is not ``python`` (``3.10``, ``3.14t``, ``pypy3.11``), else None.

    ``guest`` stands for a machine's own Python, whichever it is.
    """
    if python == "guest":
        return None
    match = NAME.fullmatch(python)
    if match is None:
        return f"the task names no Python: {python!r}"
    wanted = IMPLEMENTATIONS.get(match["implementation"], match["implementation"])
    same = sys.implementation.name == wanted and free_threaded() == bool(match["free"])
    if same and is_version(match["version"], sys.version_info):
        return None
    return f"the session promises Python {python}, but {sys.executable} is {interpreter_name()}"


def is_version(wanted: str, found: Sequence[object]) -> bool:
    """Compare as many numbers as ``wanted`` has: 3.1 is not 3.10, 3.10 is 3.10.13."""
    numbers = [int(number) for number in wanted.split(".")]
    return list(found[: len(numbers)]) == numbers


def free_threaded() -> bool:
    """Whether this interpreter was built without the global interpreter lock."""
    return bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def interpreter_name() -> str:
    """This interpreter in words: ``cpython 3.13.0``, ``cpython 3.14.0 free-threaded``."""
    version = ".".join(str(number) for number in sys.version_info[:3])
    return f"{sys.implementation.name} {version}" + (" free-threaded" if free_threaded() else "")


def imports(names: Iterable[str], roots: Sequence[str]) -> str | None:
    """Say which of ``names`` is, or would be, imported from outside ``roots``, else None.

    A name that cannot be found yet is left to the next look: collection may put its folder on the path.
    """
    for name in names:
        places = locations(name)
        if places and not any(is_below(place, roots) for place in places):
            return explain(name, places[0], roots)
    return None


def locations(name: str) -> list[str]:
    """The file of a top-level module, imported or to be found; the folders of a namespace package; else nothing."""
    module = sys.modules.get(name)
    if module is not None:
        file = getattr(module, "__file__", None)
        return [file] if file else [str(path) for path in getattr(module, "__path__", [])]
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):  # a finder that fails here fails again, loudly, when the tests import it
        return []
    return _of_spec(spec) if spec is not None else []


def _of_spec(spec: ModuleSpec) -> list[str]:
    # A namespace package has no origin ("namespace" in Python 3.6), only folders; editable finders fill in either.
    if spec.origin and (spec.has_location or os.path.isabs(spec.origin)):
        return [spec.origin]
    if spec.submodule_search_locations is not None:
        return [str(path) for path in spec.submodule_search_locations]
    return [spec.origin or "built-in"]


def is_below(path: str, roots: Iterable[str]) -> bool:
    """Whether ``path`` lies in one of ``roots``, but not in a site-packages folder there (a venv in the tree)."""
    real = os.path.realpath(path)
    for root in roots:
        relative = os.path.relpath(real, os.path.realpath(root))
        if relative.split(os.sep)[0] != os.pardir and not INSTALLED.intersection(relative.split(os.sep)):
            return True
    return False


def explain(name: str, place: str, roots: Sequence[str]) -> str:
    """One line: the file that is imported instead of the workspace's, and why that is so."""
    if INSTALLED.intersection(place.split(os.sep)):
        why = "a copy installed in site-packages shadows the workspace"
    elif place in ("built-in", "frozen"):
        why = "a module of the interpreter itself has that name"
    else:
        why = "another folder on sys.path comes first"
    return f"'import {name}' takes {place}, not the code under test in {' or '.join(roots)}: {why}"


def imported(names: Iterable[str], roots: Sequence[str]) -> dict[str, str | None]:
    """File of each name that has been imported; None for the others.

    Of a namespace package, which has many folders, the first one below ``roots``.
    """
    found: dict[str, str | None] = {}
    for name in names:
        places = locations(name) if name in sys.modules else []
        found[name] = next((place for place in places if is_below(place, roots)), places[0] if places else None)
    return found


def outside(files: Mapping[str, str | None], roots: Sequence[str]) -> str | None:
    """Say which of the files that ``imported`` gave lies outside ``roots``, else None."""
    for name, file in files.items():
        if file and not is_below(file, roots):
            return explain(name, file, roots)
    return None
