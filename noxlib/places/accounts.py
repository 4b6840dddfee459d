"""The caller's account in a container: ``pwd.getpwuid(os.getuid())`` and ``Path.owner()`` work as on any machine."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from noxlib.places import box, noted, tars

if TYPE_CHECKING:
    from pathlib import Path

    from noxlib.engines.docker import Docker
    from noxlib.engines.imageinfo import ImageInfo
    from noxlib.ledger import Ledger

FILES = ("passwd", "group")


def binds(docker: Docker, image: ImageInfo, ledger: Ledger) -> tuple[box.Bind, ...]:
    """The image's own passwd and group with the caller added, made once for each image.

    Raises:
        EngineError: The engine fails.
    """
    if os.getuid() == 0:
        return ()  # every image knows root
    key = hashlib.sha256(f"{image.id}\0{os.getuid()}\0{os.getgid()}".encode()).hexdigest()[:24]
    folder = ledger.folder.parent / "accounts" / key
    if not all((folder / name).exists() for name in FILES):
        _make(docker, image, ledger, folder)
    return tuple(box.Bind(str(folder / name), f"/etc/{name}") for name in FILES)


def _make(docker: Docker, image: ImageInfo, ledger: Ledger, folder: Path) -> None:
    uid, gid, user = os.getuid(), os.getgid(), box.user_name(os.getuid())
    added = {"passwd": f"{user}:x:{uid}:{gid}:{user}:{box.HOME}:/bin/sh", "group": f"{user}:x:{gid}:"}
    with noted.untouched(docker, ledger, "accounts", image.id) as container:
        for file in FILES:
            text = with_account(_read(docker, container, f"/etc/{file}"), added[file])
            ledger.remember(folder / file, text.encode(), mode=0o644)


def _read(docker: Docker, container: str, path: str) -> str:
    for _, member, tar in tars.members(docker.get_archive(container, path) or ()):
        source = tar.extractfile(member) if member.isreg() else None
        if source is not None:
            return source.read().decode("utf-8", "replace")
    return ""


def with_account(text: str, line: str) -> str:
    """A passwd or group file with a line added, unless the number is known; a name that is taken gives way."""
    name, _, number = line.split(":")[:3]
    kept = [own for own in text.splitlines() if own.split(":")[0] != name]
    if any(own.split(":")[2:3] == [number] for own in text.splitlines()):
        return text
    return "\n".join((*kept, line, ""))
