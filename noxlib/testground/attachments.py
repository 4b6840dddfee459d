"""What is published beside a testground: its lock, its SBOM, its Apptainer image; each attached to its digest."""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Optional

from noxlib import atomic, temporary
from noxlib.engines import blobs, referrers
from noxlib.engines.referrers import TITLE, Part
from noxlib.errors import EngineError
from noxlib.places import box
from noxlib.testground import lock, sbom
from noxlib.testground.locked import Contents, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from noxlib.engines.referrers import Attachment
    from noxlib.engines.registry import Manifest, Registry
    from noxlib.testground.inventory import Inventory
    from noxlib.testground.locked import Lock
    from noxlib.testground.sbom import Described

LOCK = "application/vnd.noxlib.lock.v1"  #: type of the artifact; its files are those of a lock, and lock.json
SBOM = sbom.MEDIA_TYPE
SIF = "application/vnd.sylabs.sif.layer.v1.sif"  #: as Apptainer itself and ORAS have it
_CREATED = "org.opencontainers.image.created"
_DESCRIPTION = "lock.json"
_LIMIT = 64 << 20  # bytes of one file of a lock, of an SBOM
_FILES = 1000


def attach_lock(registry: Registry, image: Manifest, locked: Lock, labels: Mapping[str, str]) -> Attachment:
    """Attach the lock of an image. Raises EngineError."""
    contents = locked.contents
    parts = [_part(registry, "application/json", _DESCRIPTION, atomic.to_json(contents))]
    for name in locked.every:
        kind = "application/toml" if name.endswith(".toml") else "text/plain"
        parts.append(_part(registry, kind, name, (locked.folder / name).read_bytes()))
    told = {f"{box.LABEL}lock": locked.key, f"{box.LABEL}lock-digest": locked.digest, **_dated(labels)}
    return referrers.attach(registry, image, LOCK, parts, told)


def attach_sbom(
    registry: Registry, image: Manifest, inventory: Inventory, described: Described, labels: Mapping[str, str]
) -> Attachment:
    """Attach an image's inventory as SPDX. Raises EngineError."""
    parts = [_part(registry, SBOM, "sbom.spdx.json", sbom.document(inventory, described))]
    return referrers.attach(registry, image, SBOM, parts, _dated(labels))


def attach_sif(registry: Registry, image: Manifest, file: Path, name: str, labels: Mapping[str, str]) -> Attachment:
    """Attach an Apptainer image, which is never in memory as a whole. Raises EngineError."""
    sent, size = blobs.send_file(registry, file)
    return referrers.attach(registry, image, SIF, [Part(SIF, sent, size, {TITLE: name})], _dated(labels))


def _part(registry: Registry, media_type: str, name: str, data: bytes) -> Part:
    return Part(media_type, blobs.send(registry, data), len(data), {TITLE: name})


def _dated(labels: Mapping[str, str]) -> dict[str, str]:
    """The image's own time, never this moment's: the same attachment twice is the same digest."""
    return {_CREATED: labels[_CREATED]} if labels.get(_CREATED) else {}


def types(registry: Registry, image: str) -> frozenset[str]:
    """The types of what is attached to a digest. Raises EngineError."""
    return frozenset(one.artifact_type for one in referrers.of(registry, image))


def find_sbom(registry: Registry, image: str) -> Optional[Inventory]:
    """The inventory of a digest, as it is attached; None where none is.

    Raises:
        EngineError: It is damaged.
    """
    found = referrers.of(registry, image, SBOM)
    if not found:
        return None
    (part, *_) = referrers.parts(registry, found[0], image) or (None,)
    if part is None or part.size > _LIMIT:
        raise EngineError(
            f"the SBOM attached to {registry.image}@{image} is damaged", "publish it again", cause="damaged"
        )
    return sbom.read(blobs.read(registry, part.digest, part.size), f"{registry.image}@{image}")


def find_lock(registry: Registry, image: str, labels: Mapping[str, str]) -> Optional[Lock]:
    """The lock of a digest, as it is attached, brought to this machine's locks; None where none is attached.

    It takes the place of one of the same key: of two that were resolved for the same inputs the published one counts.

    Args:
        registry: The repository.
        image: The digest.
        labels: Those of the image: they say which lock it was built from.

    Raises:
        EngineError: It is damaged, or another image's.
    """
    key, told = labels.get(f"{box.LABEL}lock", ""), labels.get(f"{box.LABEL}lock-digest")
    here = lock.by_key(key)
    if here is not None and here.digest == told:
        return here
    found = referrers.of(registry, image, LOCK)
    if not found:
        return None
    with temporary.folder() as aside:
        contents = _fetch(registry, referrers.parts(registry, found[0], image), aside)
        if not re.fullmatch(r"[0-9a-f]{64}", key) or (told or contents.digest) != contents.digest:
            raise _not_its_own(registry, image)
        if found[0].annotations.get(f"{box.LABEL}lock", key) != key:
            raise _not_its_own(registry, image)
        return lock.install(aside, contents, key)


def _not_its_own(registry: Registry, image: str) -> EngineError:
    return EngineError(
        f"the lock attached to {registry.image}@{image} is not the one that it was built from",
        "see who else writes to that repository, and delete the attachment",
        cause="damaged",
    )


def _fetch(registry: Registry, parts: Sequence[Part], folder: Path) -> Contents:
    """Write the files of a lock into a folder; each name was chosen by whoever pushed it. Raises EngineError."""
    by_name = {part.title: part for part in parts}
    damaged = EngineError(
        f"a lock attached in {registry.image} is damaged", "publish what it belongs to again", cause="damaged"
    )
    if _DESCRIPTION not in by_name or len(parts) > _FILES or any(part.size > _LIMIT for part in parts):
        raise damaged
    try:
        contents = atomic.from_json(_read(registry, by_name[_DESCRIPTION]), Contents)
    except ValueError:
        raise damaged from None
    names = contents.every
    if not all(_is_plain(name) and name in by_name for name in names):
        raise damaged
    _write(folder, ((name, _read(registry, by_name[name])) for name in names))
    if digest(folder, contents.every) != contents.digest:
        raise damaged
    return contents


def _is_plain(name: str) -> bool:
    """Whether it stays below the folder that it is written to, and is none of the lock's own files there."""
    path = PurePosixPath(name)
    return (
        bool(name) and not path.is_absolute() and ".." not in path.parts and name != _DESCRIPTION and "\0" not in name
    )


def _read(registry: Registry, part: Part) -> bytes:
    return blobs.read(registry, part.digest, part.size)


def _write(folder: Path, files: Iterable[tuple[str, bytes]]) -> None:
    for name, data in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
