"""From what a testground is built: the project's own Dockerfile.test, or our template with the lock beside it."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Optional

import msgspec

from noxlib import temporary
from noxlib.engines import dockerignore
from noxlib.engines.buildfailure import TEMPLATE
from noxlib.errors import ConfigError
from noxlib.testground import context, dockerfile, template
from noxlib.testground.fingerprint import fingerprint, recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from noxlib.config.project import Project
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.testground.locked import Lock

TARGET = "test"


class Recipe(msgspec.Struct, frozen=True):
    """All that decides what an image holds, but the ids of the images that it builds on."""

    text: str
    images: tuple[str, ...]  #: references that it builds on; the last one that is a base is the testground's
    files: tuple[tuple[str, str, str], ...]  #: path, mode and SHA-256 of what it copies from the checkout
    target: str  #: the stage, empty where there is none
    base: str  #: the image of the stage that is built
    own: bool
    lock_digest: str

    def fingerprint(self, base_ids: Mapping[str, str], python: str, platform: str) -> str:
        """The fingerprint on one platform, by the ids of the images that it builds on."""
        return fingerprint(
            dockerfile=self.text,
            files=self.files,
            lock_digest=self.lock_digest,
            base_ids=base_ids,
            python=python,
            platform=platform,
            target=self.target,
        )


class Order(msgspec.Struct, frozen=True):
    """One image to find or to build."""

    project: Project
    python: str
    lock: Lock
    recipe: Recipe
    bases: dict[str, ImageInfo]  #: the images that it builds on, by their reference in the Dockerfile
    fingerprint: str
    reference: str
    log: Path  #: the builder's output
    again: bool = False  #: all is built anew, whatever the builder remembers
    pinned: dict[str, str] = {}  #: base images that are taken by another name, by their name in the Dockerfile
    source: Optional[str] = None  #: where the project comes from, if its folder does not know

    @property
    def shared(self) -> str:
        """What the testgrounds of all platforms have in common, by which they are known to belong together."""
        planned = self.recipe
        return recipe(dockerfile=planned.text, files=planned.files, python=self.python, target=planned.target)

    @property
    def base_digest(self) -> str:
        """Digest of the base in its registry; the id of one that no registry knows; empty for scratch."""
        base = self.bases.get(self.recipe.base)
        if base is None:
            return ""
        return base.digests[0].rpartition("@")[2] if base.digests else base.id


def of(project: Project, python: str, lock: Lock) -> Recipe:
    """The recipe of one Python. Raises ConfigError."""
    if project.dockerfile is not None:
        return _own(project, project.dockerfile, python)
    base = template.base_image(python)
    text = template.render(project, python, lock, mirrored(base, project.config.mirrors))
    return Recipe(text, (base, *template.helper_images(python)), (), TARGET, base, own=False, lock_digest=lock.digest)


def _own(project: Project, name: str, python: str) -> Recipe:
    try:
        text = (project.root / name).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{name} cannot be read: {error}", "mend it, or remove it to use noxlib's own template"
        ) from error
    read = dockerfile.read(text, {"PYTHON_VERSION": python})
    dockerfile.check(read, name)
    files = context.copied(project.root, read.sources, dockerignore.matcher(_ignore_file(project.root, name)))
    target = TARGET if TARGET in read.stages else ""
    base = read.images[0] if read.images else ""
    return Recipe(text, read.images, files, target, base, own=True, lock_digest="")


def _ignore_file(root: Path, name: str) -> str:
    """BuildKit prefers the file that is named after the Dockerfile."""
    for candidate in (root / f"{name}.dockerignore", root / ".dockerignore"):
        if candidate.is_file():
            return candidate.read_text("utf-8", "replace")
    return ""


def mirrored(reference: str, mirrors: Mapping[str, str]) -> str:
    """The reference with its registry prefix replaced; ``python:3.10-slim`` is docker.io/library/python:3.10-slim."""
    full = _full(reference)
    for candidate in (reference, full):
        for prefix, replacement in sorted(mirrors.items(), key=lambda item: -len(item[0])):
            clean = prefix.rstrip("/")
            if candidate == clean or candidate.startswith((clean + "/", clean + ":", clean + "@")):
                return replacement.rstrip("/") + candidate[len(clean) :]
    return reference


def _full(reference: str) -> str:
    first, slash, _ = reference.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return reference
    return f"docker.io/{reference}" if slash else f"docker.io/library/{reference}"


@contextlib.contextmanager
def staged(project: Project, recipe: Recipe, lock: Lock) -> Iterator[tuple[Path, Path]]:
    """The build's context and its Dockerfile. For the template a folder with the lock files only."""
    if recipe.own:
        yield project.root, project.root / str(project.dockerfile)
        return
    with temporary.folder() as aside:
        folder = aside
        (folder / TEMPLATE).write_text(recipe.text, "utf-8")
        for name in lock.every:
            target = folder / "locks" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(lock.folder / name, target)
            target.chmod(0o644)
        yield folder, folder / TEMPLATE
