"""What a machine without a network needs beside the images: the locks, and the Apptainer images that were asked for.

The project's build back end is in the builder's image, which goes into a bundle as the testground's does.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import msgspec

from noxlib import atomic, temporary
from noxlib.engines import apptainer, images
from noxlib.engines.archive import damaged
from noxlib.engines.archiveformat import FILES
from noxlib.ledger import state_folder
from noxlib.testground import image, lock
from noxlib.testground.archiving import Wanted
from noxlib.testground.locked import Contents, digest

if TYPE_CHECKING:
    from collections.abc import Iterable

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


def builders(project: Project, testground: Testground, docker: Docker) -> tuple[Wanted, ...]:
    """The image that builds the project, made where it is not there; none where nothing is built in one of ours.

    Raises:
        BuildError: It cannot be built.
    """
    if project.build is None or testground.own_dockerfile:
        return ()
    reference = image.ensure_builder(project, testground, docker)
    return (Wanted(testground.python, reference, testground.fingerprint, builder=True),)


def files(testground: Testground, docker: Docker, folder: Path, *, sif: bool) -> dict[str, Path]:
    """Files for an archive by their names there, made in a folder of the caller's.

    Raises:
        EngineError: An Apptainer image was asked for, and cannot be made.
        OSError: A file cannot be written.
    """
    found: dict[str, Path] = {}
    if testground.lock.key:
        path = folder / f"{testground.lock.key}.json"
        path.write_bytes(_lock_file(testground.lock))
        found[f"{_LOCKS}{testground.python}/{path.name}"] = path
    if sif:
        path = folder / f"{testground.id.partition(':')[2]}.sif"
        print(f"noxlib: making the Apptainer image of Python {testground.python}", flush=True)
        apptainer.build(images.save([testground.reference], docker), path)
        found[f"{_SIF}{testground.python}/{path.name}"] = path
    return found


def _lock_file(locked: Lock) -> bytes:
    names = dict.fromkeys((*locked.files, *locked.build_files))
    fields = {name: getattr(locked, name) for name in Contents.__struct_fields__}
    return atomic.to_json(
        Packed(Contents(**fields), {name: (locked.folder / name).read_text("utf-8") for name in names})
    )


def install(opened: Archive, members: Iterable[Member]) -> tuple[str, ...]:
    """Put what is no image in its place on this machine; a line of each.

    Raises:
        CacheError: It is damaged, or the disk is full.
    """
    told = []
    for member in members:
        if member.name.startswith(_LOCKS):
            told.append(_install_lock(opened, member))
        elif member.name.startswith(_SIF):
            told.append(_install_sif(opened, member))
    return tuple(told)


def _install_lock(opened: Archive, member: Member) -> str:
    _, _, python, name = member.name.split("/")
    key = name[: -len(".json")]
    if member.size > _LIMIT or not _KEY.fullmatch(key):
        raise damaged(opened.name, f"{member.name} is no lock")
    if lock.by_key(key) is not None:
        return f"the lock of Python {python} (was here)"
    try:
        packed = atomic.from_json(b"".join(opened.content(member))[: member.size], Packed)
    except ValueError as error:
        raise damaged(opened.name, f"{member.name}: {error}") from error
    wanted = (*packed.contents.files, *packed.contents.build_files)
    if set(wanted) != set(packed.files) or not all(map(_is_plain, wanted)):
        raise damaged(opened.name, f"{member.name} has other files than it says")
    with temporary.folder() as folder:
        for name, text in packed.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text, "utf-8")
        if digest(folder, wanted) != packed.contents.digest:
            raise damaged(opened.name, f"{member.name} is not what its digest says")
        lock.install(folder, packed.contents, key)
    return f"the lock of Python {python}"


def _is_plain(name: str) -> bool:
    """Whether it stays below the folder that it is written to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name


def _install_sif(opened: Archive, member: Member) -> str:
    _, _, python, name = member.name.split("/")
    target = state_folder() / "sif" / name
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    with temporary.folder(target.parent, ".making-") as aside:
        with (aside / name).open("wb") as file:
            for piece in opened.content(member):
                file.write(memoryview(piece)[:left])
                left -= min(left, len(piece))
        (aside / name).replace(target)
    return f"the Apptainer image of Python {python}: {target}"
