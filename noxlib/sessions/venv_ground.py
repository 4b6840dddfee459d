"""The testground as a virtual environment of this machine: the same lock, the same guards."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Optional

from noxlib.config.project import Project
from noxlib.engines import interpreters
from noxlib.errors import PlaceError
from noxlib.ledger import state_folder
from noxlib.places import environments, slots
from noxlib.places.host import Host
from noxlib.places.slots import Slot
from noxlib.places.venv import Venv
from noxlib.records.record import TestgroundSection
from noxlib.sessions import preparing
from noxlib.sessions.context import Context, say
from noxlib.sessions.grounds import Effort, Ground, layout_names, names, path_without_build, run_id
from noxlib.sessions.placing import Placement
from noxlib.testground import prepare
from noxlib.testground.locked import Lock, digest
from noxlib.testground.prepare import Prepared

PLATFORM = "host"


def ready(context: Context, project: Project, placement: Placement, effort: Effort) -> Ground:
    """Find the interpreter, then lock, install and prepare what is not there yet.

    Raises:
        PlaceError: There is no interpreter, or something is missing that ``effort`` does not allow to be made.
    """
    interpreter = interpreters.find(context.python, state_folder())
    locked = preparing.locked(project, context.python, PLATFORM, effort)
    slot = slots.take(state_folder(), project.root, context.python)
    paths = [locked.folder / name for name in locked.files]
    if effort != "all" and not environments.there(state_folder(), slot, interpreter, paths):
        what = f"there is no environment of Python {context.python} yet"
        raise PlaceError(what, "run it once without --no-build", cause="absent")
    environment = environments.make(state_folder(), slot, interpreter, paths)
    prepared = _prepared(project, context.python, locked, slot, interpreter, environment, effort)
    return _ground(project, placement, locked, slot, environment, prepared)


def _prepared(
    project: Project, python: str, locked: Lock, slot: Slot, interpreter: Path, environment: Path, effort: Effort
) -> Optional[Prepared]:
    if project.build is None:
        return None
    build_lock = digest(locked.folder, locked.build_files)
    # Scripts name the environment's interpreter, so that another environment is another key.
    key = prepare.key(project, python, f"{PLATFORM} {environment}", str(slot.workspace), build_lock)

    def builder(folder: Path) -> AbstractContextManager[Host]:
        backend = [locked.folder / name for name in locked.build_files]
        made = environments.make(state_folder(), slot, interpreter, backend)
        return Venv(slot.lent(), made, run_id=preparing.caller(), checkout=project.root, run_folder=folder)

    return preparing.find_or_make(project, key, str(environment / "bin" / "python"), builder, effort)


def _ground(
    project: Project, placement: Placement, locked: Lock, slot: Slot, environment: Path, prepared: Optional[Prepared]
) -> Ground:
    def host(folder: Path, keep: bool) -> AbstractContextManager[Host]:
        if keep:
            say(f"noxlib: kept until the next run: {slot.workspace}")
        return Venv(
            slot,
            environment,
            run_id=run_id(folder),
            checkout=project.root,
            run_folder=folder,
            prepared_site=prepared.site if prepared else None,
            prepared_tree=prepared.tree if prepared else None,
        )

    workspace = str(slot.workspace)
    return Ground(
        placement=placement,
        section=TestgroundSection(
            lock=locked.key, lock_source=locked.source, prepared=prepared.key if prepared else None
        ),
        workspace=workspace,
        exclusive=True,
        host=host,
        import_names=names(project, prepared.import_names if prepared else layout_names(project.root)),
        import_roots=(workspace, str(slot.site), *((str(prepared.site),) if prepared else ())),
        environment=dict(prepared.environment) if prepared else path_without_build(project, workspace),
    )
