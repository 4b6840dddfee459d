"""A ground: a place with the testground of one Python in it, ready for a task."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Callable, Literal, Optional

import msgspec

from noxlib.config.project import Project
from noxlib.places.host import Host
from noxlib.records.record import TestgroundSection
from noxlib.sessions.placing import Placement

# Folders in a project's root, or in src, that are seldom what is under test.
_ELSE = frozenset(
    ("test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks", "scripts", "tools")
)


#: How much may be made: all, all but images and environments (``--no-build``), nothing (``--dry-run``).
Effort = Literal["all", "no-build", "none"]


class Ground(msgspec.Struct, frozen=True):
    """Where a suite runs. Paths are those of the place.

    ``host`` takes the run's folder on this machine, and whether to keep the workspace; it gives the host, not started
    yet.
    """

    placement: Placement
    section: TestgroundSection
    workspace: str
    host: Callable[[Path, bool], AbstractContextManager[Host]]
    import_names: tuple[str, ...] = ()
    import_roots: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    checkout: Optional[Path] = None  #: where the code lies, if not in the project; nothing is carried back to it
    exclusive: bool = False  #: its workspace is for one run at a time; several at once need a ground each
    secrets: tuple[str, ...] = ()  #: values of the place's own variables that are masked in what tests leave


def run_id(folder: Path) -> str:
    """The name of a run, by its folder; that of a task of it is told apart by its number."""
    return folder.name if folder.parent.name != "tasks" else f"{folder.parent.parent.name}-{folder.name}"


def names(project: Project, prepared: tuple[str, ...]) -> tuple[str, ...]:
    """The packages that must come from the workspace: as configured, else as the project's own build names them."""
    configured = project.config.import_names
    return prepared if configured is None else configured


def layout_names(root: Path) -> tuple[str, ...]:
    """Packages directly below ``src``, or else the root: what the guard watches where no build names anything."""
    home = root / "src" if (root / "src").is_dir() else root
    found = [path.parent.name for path in home.glob("*/__init__.py")]
    return tuple(sorted(name for name in found if name.isidentifier() and name not in _ELSE))


def path_without_build(project: Project, workspace: str, own: str = "") -> dict[str, str]:
    """Where nothing is installed the code is imported from where it lies: ``src`` where there is one, and the root.

    ``own`` is the PYTHONPATH that the place has already; it comes after.
    """
    roots = [f"{workspace}/src"] if (project.root / "src").is_dir() else []
    return {"PYTHONPATH": ":".join((*roots, workspace, *own.split(":")) if own else (*roots, workspace))}
