"""What a machine without a network needs beside the images: locks, wheels, and Apptainer images.

The project's build back end is in the builder's image, which goes into a bundle as the testground's does, and among the
wheels.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import apptainer, images, interpreters
from noxlib.engines.archive import damaged
from noxlib.engines.archiveformat import FILES
from noxlib.errors import PlaceError
from noxlib.ledger import state_folder
from noxlib.testground import image, lock, sif_found, wheels
from noxlib.testground.archiving import Wanted
from noxlib.testground.locked import Contents, digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from noxlib.config.project import Project
    from noxlib.engines.archive import Archive
    from noxlib.engines.archiveformat import Member
    from noxlib.engines.docker import Docker
    from noxlib.testground.image import Testground
    from noxlib.testground.locked import Lock

_LOCKS, _SIF = f"{FILES}locks/", f"{FILES}sif/"
_LIMIT = 64 << 20  # bytes of a lock
_KEY = re.compile(r"[0-9a-f]{64}")


class Packed(msgspec.Struct, frozen=True):
    """A lock as one file."""

    contents: Contents
    files: dict[str, str]
    wheels: dict[str, tuple[str, ...]] = {}  #: of each file, by their names in the archive


def builders(project: Project, testground: Testground, docker: Docker) -> tuple[Wanted, ...]:
    """The image that builds the project, made where it is not there; none where nothing is built in one of ours.

    Raises:
        BuildError: It cannot be built.
    """
    if project.build is None or testground.own_dockerfile:
        return ()
    reference = image.ensure_builder(project, testground, docker)
    return (Wanted(testground.python, reference, testground.fingerprint, builder=True),)


def files(project: Project, testground: Testground, docker: Docker, folder: Path, *, sif: bool) -> dict[str, Path]:
    """Files for an archive by their names there, made in a folder of the caller's.

    An Apptainer image that is made already is taken; with ``sif`` one is made where there is none.

    Raises:
        EngineError: An Apptainer image was asked for, and cannot be made.
        OSError: A file cannot be written.
    """
    found = _lock_file(testground.lock, testground.python, folder) if testground.lock.key else {}
    path = folder / sif_found.path_of(testground.id).name
    made = sif_found.find(project, testground)
    if made is not None:
        print(f"noxlib: taking the Apptainer image of Python {testground.python} from {made.where}", flush=True)
        atomic.write(path, made.pieces)
    elif sif:
        print(f"noxlib: making the Apptainer image of Python {testground.python}", flush=True)
        apptainer.build(images.save([testground.reference], docker), path)
    if made is not None or sif:
        found[f"{_SIF}{testground.python}/{path.name}"] = path
    return found


def of_environments(project: Project, pythons: Iterable[str], folder: Path) -> dict[str, Path]:
    """What virtual environments are made of on a machine of this kind: a lock for each Python, and its wheels.

    A Python that has no interpreter here is left out, and told.

    Raises:
        LockError: A lock cannot be made.
        BuildError: A wheel cannot be had, or not be built.
    """
    found: dict[str, Path] = {}
    folders: dict[str, Path] = {}
    for python in pythons:
        try:
            interpreter = interpreters.find(python, state_folder())
        except PlaceError as error:
            print(f"noxlib: no wheels of Python {python}: {error.what}", flush=True)
            continue
        print(f"noxlib: fetching the wheels of Python {python}", flush=True)
        locked = lock.find_or_make(project, python, "host")
        folders[python] = folder / f"wheels-{python}"
        found.update(_lock_file(locked, python, folder, wheels.fetch(locked, interpreter, folders[python])))
    return {**found, **wheels.members(folders)}


def _lock_file(
    locked: Lock, python: str, folder: Path, own: Mapping[str, tuple[str, ...]] | None = None
) -> dict[str, Path]:
    texts = {name: (locked.folder / name).read_text("utf-8") for name in locked.every}
    path = folder / f"{locked.key}.json"
    path.write_bytes(atomic.to_json(Packed(locked.contents, texts, dict(own or {}))))
    return {f"{_LOCKS}{python}/{path.name}": path}


def install(opened: Archive, members: Iterable[Member], ids: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """Put what is no image in its place on this machine; a line of each.

    Args:
        opened: The archive.
        members: Of it.
        ids: Python -> id of its testground in this engine, where that may be another one than where it was made.

    Raises:
        CacheError: It is damaged, or the disk is full.
    """
    every, told = tuple(members), []
    for member in every:
        if member.name.startswith(_LOCKS):
            told.append(_install_lock(opened, member, every))
        elif member.name.startswith(_SIF):
            told.append(_install_sif(opened, member, ids or {}))
    return tuple(told)


def _named(opened: Archive, member: Member) -> tuple[str, str]:
    """The Python that a lock or an Apptainer image is for, and its file's name."""
    parts = member.name.split("/")
    if len(parts) != len(("noxlib", "kind", "python", "file")):
        raise damaged(opened.name, f"{member.name} lies where nothing does")
    return parts[2], parts[3]


def _install_lock(opened: Archive, member: Member, members: tuple[Member, ...]) -> str:
    python, name = _named(opened, member)
    key = name[: -len(".json")]
    if member.size > _LIMIT or not _KEY.fullmatch(key):
        raise damaged(opened.name, f"{member.name} is no lock")
    packed = _packed(opened, member)
    known = lock.by_key(key)
    same = known is not None and known.digest == packed.contents.digest
    locked = known if known is not None and same else _unpacked(opened, member, packed, key)
    told = f"the lock of Python {python}{' (was here)' if same else ''}"
    if not packed.wheels:
        return told
    number = wheels.install(opened, members, python, packed.wheels, locked.folder)
    return f"{told} for virtual environments, with {number} wheels"


def _packed(opened: Archive, member: Member) -> Packed:
    try:
        packed = atomic.from_json(b"".join(opened.content(member))[: member.size], Packed)
    except ValueError as error:
        raise damaged(opened.name, f"{member.name}: {error}") from error
    wanted = {*packed.contents.every}
    if wanted != {*packed.files} or not wanted >= {*packed.wheels} or not all(map(_is_plain, wanted)):
        raise damaged(opened.name, f"{member.name} has other files than it says")
    return packed


def _unpacked(opened: Archive, member: Member, packed: Packed, key: str) -> Lock:
    with temporary.folder() as folder:
        for name, text in packed.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        if digest(folder, packed.contents.every) != packed.contents.digest:
            raise damaged(opened.name, f"{member.name} is not what its digest says")
        return lock.install(folder, packed.contents, key)


def _is_plain(name: str) -> bool:
    """Whether it stays below the folder that it is written to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _install_sif(opened: Archive, member: Member, ids: Mapping[str, str]) -> str:
    python, name = _named(opened, member)
    target = sif_found.path_of(ids.get(python, f"sha256:{name[: -len('.sif')]}"))
    target.parent.mkdir(parents=True, exist_ok=True)
    with temporary.folder(target.parent, ".making-") as aside:
        opened.extract(member, aside / name)
        (aside / name).replace(target)
    return f"the Apptainer image of Python {python}: {target}"
