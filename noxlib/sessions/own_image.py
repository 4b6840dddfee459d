"""An image of the project's own Dockerfile.test: what its build generated at /workspace."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from noxlib.config.project import Project
from noxlib.engines import git
from noxlib.engines.docker import Docker
from noxlib.ledger import Ledger
from noxlib.places import box, noted, tars
from noxlib.sessions.grounds import Effort
from noxlib.sessions.preparing import cached
from noxlib.testground import prepare
from noxlib.testground.image import Testground
from noxlib.testground.prepare import Prepared


def prepared(project: Project, testground: Testground, docker: Docker, effort: Effort) -> Prepared:
    """What an editable install in the image left at /workspace, and the checkout does not own, as prepared files.

    Taken once for each image and state of the checkout's own list of files.
    """
    key = f"image-{prepare.digest((testground.id, str(project.root)))}-{testground.id.rpartition(':')[2][:24]}"
    return cached(project, key, lambda target: _extract(project, testground, docker, target / "prepared"), effort)


def _extract(project: Project, testground: Testground, docker: Docker, target: Path) -> None:
    tree = target / "tree"
    tree.mkdir(parents=True)
    (target / "site").mkdir()
    owned = git.owned(project.root)
    files = []
    with noted.untouched(docker, Ledger(), "look", testground.id) as container:
        archive = docker.get_archive(container, box.WORKSPACE)  # None: the image has no such folder
        for relative, member, tar in () if archive is None else tars.members(archive):
            if member.isreg() and _is_generated(relative, project.root, owned):
                tars.save(member, tar, tree / relative)
                files.append(relative)
    (target / "prepared.json").write_bytes(msgspec.json.encode({"files": files}))


def _is_generated(relative: str, root: Path, owned: frozenset[str] | None) -> bool:
    parts = relative.split("/")
    if ".git" in parts or "__pycache__" in parts:
        return False
    return not os.path.lexists(root / relative) if owned is None else relative not in owned
