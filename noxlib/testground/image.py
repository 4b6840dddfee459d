"""The testground's image: found by its fingerprint without asking the builder, built where it is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib.engines import offline
from noxlib.errors import BuildError
from noxlib.ledger import Ledger, state_folder
from noxlib.places import box, emulator
from noxlib.testground import bases, names, platforms, recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from noxlib.config.project import Project
    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.testground.locked import Lock
    from noxlib.testground.recipe import Order, Recipe


class Testground(msgspec.Struct, frozen=True):
    """A testground in the local engine."""

    __test__ = False  # the name begins with Test, pytest need not look

    reference: str  #: ``<name>:py3.10-fp-<fingerprint>``
    id: str  #: the image's id, ``sha256:…``
    fingerprint: str
    base_digest: str  #: of the image that it builds on: in its registry, or the id of one that no registry knows
    python: str
    lock: Lock
    own_dockerfile: bool = False
    interpreter: str = box.PYTHON  #: path of the Python in the image
    builder_reference: Optional[str] = None  #: where ``ensure_builder`` puts the builder; None for an own Dockerfile
    path: str = ""  #: PYTHONPATH of the image
    platform: str = ""  #: ``linux/amd64``


def find_or_build(project: Project, python: str, lock: Lock, docker: Docker, *, build: bool = True) -> Testground:
    """The testground of one Python.

    Raises:
        ConfigError: The project's Dockerfile.test lacks the build argument.
        BuildError: The build failed, or ``build`` is False and there is none.
        EngineError: The engine, the builder or a registry fails.
    """
    what = f"the testground of Python {python}"
    try:
        order = _order(project, python, lock, docker, pull=build and not offline.wanted())
    except BuildError as error:
        if error.cause == "absent":
            offline.forbid(what, "its base image and package indexes")
        raise
    found = _found(docker, order.reference, order.fingerprint)
    if found is None and not build:
        raise BuildError(
            f"{what} is not built", f"run: nox -s testground_build-{python} (or leave --no-build out)", cause="absent"
        )
    return _testground(found or _build_locked(order, docker), order)


def find(
    project: Project, python: str, lock: Lock, docker: Docker, *, pull: bool = False
) -> tuple[str, Optional[Testground]]:
    """The fingerprint of this checkout's testground, and that itself where the engine has it. Raises as ``wanted``."""
    order = _order(project, python, lock, docker, pull=pull)
    found = _found(docker, order.reference, order.fingerprint)
    return order.fingerprint, _testground(found, order) if found else None


def wanted(project: Project, python: str, lock: Lock, docker: Docker, *, pull: bool = False) -> str:
    """The fingerprint that this checkout's testground has, or would have; nothing is built.

    Raises:
        BuildError: An image that it builds on is not here (cause ``absent``) and may not be pulled, so that it cannot
            be told.
        EngineError: One cannot be pulled.
    """
    return _order(project, python, lock, docker, pull=pull).fingerprint


def _order(project: Project, python: str, lock: Lock, docker: Docker, *, pull: bool = True) -> Order:
    """What is wanted, and its fingerprint."""
    planned = recipe.of(project, python, lock)

    def mark_on(built_on: Mapping[str, ImageInfo]) -> str:
        ids = {name: info.id for name, info in built_on.items()}
        return planned.fingerprint(ids, python, docker.platform)

    found = _bases(planned, project, python, docker, mark_on, pull=pull)
    mark = mark_on(found)
    reference = f"{names.image_name(project.name, None, project.config)}:{names.fingerprint_tag(python, mark)}"
    log = state_folder() / "builds" / f"{mark[:16]}.log"
    return recipe.Order(project, python, lock, planned, found, mark, reference, log)


def _bases(
    planned: Recipe,
    project: Project,
    python: str,
    docker: Docker,
    mark: Callable[[Mapping[str, ImageInfo]], str],
    *,
    pull: bool,
) -> dict[str, ImageInfo]:
    """The images that it builds on; where they are not here, those of a testground that only they make this one."""
    try:
        return bases.here(planned, project, docker, pull=pull)
    except BuildError as error:
        if error.cause == "absent":
            for fingerprint_here, found in bases.told(python, docker):
                if set(found) == set(planned.images) and mark(found) == fingerprint_here:
                    return found
        raise


def _found(docker: Docker, reference: str, mark: str) -> Optional[ImageInfo]:
    """The image of that tag, if it bears the whole fingerprint: a tag can be moved, and holds only 16 digits."""
    info = docker.image(reference)
    return info if info is not None and info.labels.get(f"{box.LABEL}fingerprint") == mark else None


def _build_locked(order: Order, docker: Docker) -> ImageInfo:
    """Build once, however many sessions want it now."""
    from filelock import FileLock  # noqa: PLC0415 - not on the warm path

    from noxlib.testground import building  # noqa: PLC0415 - brings the builder

    order.log.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(order.log.with_suffix(".lock")):
        found = _found(docker, order.reference, order.fingerprint)
        if found is None:
            base = order.bases.get(order.recipe.base)
            if base is not None:
                emulator.tried(docker, base.id, Ledger())
            print(f"noxlib: building the testground of Python {order.python}: {order.reference}", flush=True)
            building.build(order, docker)
            found = _found(docker, order.reference, order.fingerprint)
    if found is None:
        what = f"the builder ended well, but {order.reference} is not in the engine"
        raise BuildError(what, "look at: docker buildx ls; docker image ls")
    return found


def _testground(info: ImageInfo, order: Order) -> Testground:
    own = order.recipe.own
    return Testground(
        reference=order.reference,
        id=info.id,
        fingerprint=order.fingerprint,
        base_digest=order.base_digest,
        python=order.python,
        lock=order.lock,
        own_dockerfile=own,
        path=info.environment.get("PYTHONPATH", ""),
        platform=platforms.of(*info.platform.split("/")),
        interpreter=info.labels.get(f"{box.LABEL}interpreter", box.PYTHON),
        builder_reference=None if own else builder_reference(order.reference),
    )


def builder_reference(reference: str) -> str:
    """``<name>:py3.10-fp-…`` -> ``<name>:py3.10-fp-…-builder``."""
    return f"{reference}-builder"


def ensure_builder(project: Project, testground: Testground, docker: Docker) -> str:
    """The reference of the builder's image (compilers, uv, /opt/build), built where it is not there.

    Raises:
        BuildError: It cannot be built, or the project's own Dockerfile has no builder of ours.
    """
    reference = testground.builder_reference
    if reference is None:
        what = f"{project.dockerfile} has no builder of noxlib's"
        raise BuildError(what, "install the project in its stage test, editable at /workspace")
    if _found(docker, reference, testground.fingerprint) is None:
        from noxlib.testground import building  # noqa: PLC0415 - brings the builder

        print(f"noxlib: building the builder of Python {testground.python}", flush=True)
        order = _order(project, testground.python, testground.lock, docker)
        building.build_stage(order, "builder", docker, reference=reference)
    return reference
