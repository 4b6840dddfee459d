"""A published testground once more: from the commit, the lock and the base images that it says it was built from."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import msgspec

from noxlib.engines import builder, images
from noxlib.errors import BuildError, EngineError
from noxlib.ledger import Ledger, state_folder
from noxlib.places import box
from noxlib.testground import bases, building, debian, diff, foreign, inventory, names, recipe, rootfs, tree
from noxlib.testground.diff import Change
from noxlib.testground.tree import Compared

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.config.project import Project
    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.testground.locked import Lock
    from noxlib.testground.recipe import Order

#: Labels that name another image of the same build: they are as different as its digest.
_OF_THE_DIGEST = (f"{box.LABEL}foreign",)


class Verdict(msgspec.Struct, frozen=True):
    """How a rebuilt testground compares with the published one."""

    packages: tuple[Change, ...]  #: but Debian's
    debian: tuple[Change, ...]  #: Debian packages, which no lock holds: a mirror gives what it has
    debian_files: dict[str, str]  #: paths of those that differ, and dpkg's own; path -> in what
    labels: dict[str, tuple[str, str]]  #: name -> published, rebuilt
    files: Compared
    tree_published: str  #: digest of the tree of files
    tree_rebuilt: str
    id_published: str  #: of the image itself
    id_rebuilt: str

    @property
    def is_same(self) -> bool:
        """Whether all that counts is equal. The image's own digest does not count: it holds times."""
        return not (self.debian or self.packages or self.labels or self.files.differ)


def order(project: Project, python: str, locked: Lock, published: ImageInfo, docker: Docker, source: str) -> Order:
    """What is built again.

    Args:
        project: As it was at the commit.
        python: As uv names it.
        locked: The lock that is attached to the published image.
        published: That image.
        docker: The engine.
        source: Where the project comes from, as labels say it.

    Raises:
        BuildError: The images that it was built on are not to be had any more, or not told.
    """
    planned = recipe.of(project, python, locked)
    told = bases.read(published.labels.get(bases.LABEL, ""))
    if told is None or set(told) != set(planned.images):
        raise BuildError(
            f"the published image of Python {python} does not say what it was built on", "publish it again from here on"
        )
    pinned = {name: _pinned(name, base, project, docker) for name, base in told.items()}
    mark = planned.fingerprint({name: base.id for name, base in told.items()}, python, docker.platform)
    reference = f"{names.image_name(project.name, None, project.config)}:{names.tag(python, f'verify-{mark[:16]}')}"
    return recipe.Order(
        project, python, locked, planned, told, mark, reference, state_folder() / "builds" / f"{mark[:16]}-again.log",
        again=True, pinned={key: value for key, value in pinned.items() if key != value}, source=source,
    )  # fmt: skip


def _pinned(name: str, base: ImageInfo, project: Project, docker: Docker) -> str:
    """The name by which the very base image is here, pulled by its digest where the name means another by now."""
    source = recipe.mirrored(name, project.config.mirrors)
    here = docker.image(bases.name_here(source, docker))
    if here is not None and here.id == base.id:
        return name
    repository = foreign.split(source)[0]
    for digest in base.digests:
        reference = f"{repository}@{digest.rpartition('@')[2]}"
        with contextlib.suppress(EngineError):
            if docker.image(reference) is None:
                builder.pull(reference, docker)
            return reference
    raise BuildError(
        f"the base image {name} that it was built on, {base.id[:19]}…, is not to be had any more",
        "nothing can be said of a rebuild; publish the commit's next release on the base of today",
        cause="absent",
    )


@contextlib.contextmanager
def built(wanted: Order, docker: Docker) -> Iterator[ImageInfo]:
    """The rebuilt image, which is gone afterwards. Raises BuildError, EngineError."""
    ledger = Ledger()
    entries = [
        ledger.add("image", name, details={"endpoint": str(docker.endpoint)})
        for name in (wanted.reference, f"{wanted.reference}-own")
    ]
    try:
        building.build_untagged(wanted, docker)
        found = docker.image(wanted.reference)
        if found is None:
            raise BuildError(f"the builder ended well, but {wanted.reference} is not in the engine", "run this again")
        yield found
    finally:
        for entry in entries:
            images.untag(entry.name, docker)
            ledger.strike(entry)


def compare(published: ImageInfo, rebuilt: ImageInfo, docker: Docker) -> Verdict:
    """Packages, labels, and each file of both. Raises EngineError."""
    both = (published.id, rebuilt.id)
    changes = diff.compare(*(inventory.take(rootfs.chunks(docker, image)) for image in both)).changes
    before, after = (tree.read(rootfs.chunks(docker, image)) for image in both)
    others = {change.name for change in changes if change.kind == "deb"}
    owned = frozenset().union(*(debian.paths(rootfs.chunks(docker, image), others) for image in both if others))
    files, of_debian = debian.apart(tree.compare(before, after), owned)
    return Verdict(
        tuple(change for change in changes if change.kind != "deb"),
        tuple(change for change in changes if change.kind == "deb"),
        of_debian,
        _labels(published.labels, rebuilt.labels),
        files,
        tree.digest(before),
        tree.digest(after),
        published.id,
        rebuilt.id,
    )


def _labels(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    keys = sorted((before.keys() | after.keys()) - set(_OF_THE_DIGEST))
    return {key: (before.get(key, ""), after.get(key, "")) for key in keys if before.get(key) != after.get(key)}
