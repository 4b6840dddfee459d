"""The directions of import (docs/architecture.md): downwards only, no cycles; engines alone talk to the outside."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "noxlib"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)

# A module imports from its own layer or a lower one. What is not named here has the layer of its folder.
LAYERS = (
    ("errors", "atomic"),
    ("config", "plan", "places.host"),
    ("locks", "manifest", "owner", "ledger", "cache", "temporary", "secret"),
    ("engines",),
    ("testground", "places", "records", "perf"),
    ("sessions",),
    ("steps",),
    ("registration",),
    ("", "__main__"),
)
OF_ENGINES = {"docker", "python_on_whales", "requests"}
LINES_OF_A_FILE = 250
LINES_OF_A_FUNCTION = 50


def module_name(path: Path) -> str:
    """``noxlib/places/host.py`` is ``places.host``; the package itself is the empty name."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
OUTSIDE_INSIDE = [name for name in MODULES if name.partition(".")[0] != "inside"]


def imported(tree: ast.AST) -> Iterator[str]:
    """Absolute dotted names that a module imports anywhere, in functions and for the type checker too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def own(name: str) -> str | None:
    """The module of ours behind an imported name: ``noxlib.plan.Task`` is ``plan``; None for another package's."""
    parts = name.split(".")
    if parts[0] != "noxlib":
        return None
    found = (".".join(parts[1:length]) for length in range(len(parts), 0, -1))
    return next(module for module in found if module in MODULES)


@functools.cache
def imports_of_ours(name: str) -> frozenset[str]:
    return frozenset(module for text in imported(MODULES[name]) for module in [own(text)] if module is not None)


def layer(name: str) -> int:
    """The longest name in the table that is the module or a folder above it decides."""
    ranks = {entry: rank for rank, entries in enumerate(LAYERS) for entry in entries}
    parts = name.split(".")
    known = (".".join(parts[:length]) for length in range(len(parts), 0, -1))
    return ranks[next(entry for entry in known if entry in ranks)]


def test_each_module_imports_from_its_own_layer_or_a_lower_one() -> None:
    upwards = [
        f"{name} -> {target}"
        for name in OUTSIDE_INSIDE
        for target in imports_of_ours(name) - asks_for_version(name)
        if layer(target) > layer(name)
    ]
    assert upwards == []


def asks_for_version(name: str) -> set[str]:
    """``from noxlib import __version__`` asks the package for a string, not for what it brings together."""
    return {""} if "noxlib.__version__" in imported(MODULES[name]) else set()


def test_no_module_is_part_of_a_cycle() -> None:
    assert [name for name in OUTSIDE_INSIDE if name and name in reachable(name)] == []


def reachable(name: str) -> set[str]:
    """The modules that a module imports, directly or by others."""
    reached: set[str] = set()
    waiting = set(imports_of_ours(name))
    while waiting:
        reached |= waiting
        waiting = {target for module in waiting if module for target in imports_of_ours(module)} - reached
    return reached


def test_inside_imports_nothing_of_the_rest() -> None:
    inside = {name: tree for name, tree in MODULES.items() if name.startswith("inside")}
    assert [name for name in inside if "noxlib" in packages(name)] == []
    nodes = [(name, node) for name, tree in inside.items() for node in ast.walk(tree)]
    assert [name for name, node in nodes if isinstance(node, ast.ImportFrom) and node.level > 1] == []


def test_the_rest_imports_nothing_of_inside() -> None:
    imports = [(name, target) for name in OUTSIDE_INSIDE for target in imports_of_ours(name)]
    assert [name for name, target in imports if target.startswith("inside")] == []


def test_only_engines_import_the_clients_of_engines() -> None:
    others = [name for name in MODULES if not name.startswith("engines.")]
    assert [name for name in others if OF_ENGINES & packages(name)] == []


def test_only_registration_and_sessions_import_nox() -> None:
    others = [name for name in MODULES if name.split(".")[0] not in {"registration", "sessions"}]
    assert [name for name in others if "nox" in packages(name)] == []


def packages(name: str) -> set[str]:
    return {text.split(".")[0] for text in imported(MODULES[name])}


def test_every_file_can_be_read_in_one_go() -> None:
    lengths = {str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: length for name, length in lengths.items() if length > LINES_OF_A_FILE} == {}


def test_every_function_fits_on_a_screen() -> None:
    functions = [
        (name, node)
        for name, tree in MODULES.items()
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    lengths = {f"{name}.{node.name}": (node.end_lineno or 0) - node.lineno + 1 for name, node in functions}
    assert {name: length for name, length in lengths.items() if length > LINES_OF_A_FUNCTION} == {}
