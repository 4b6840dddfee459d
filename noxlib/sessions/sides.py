"""Two sides of a comparison: which commits they are, their code, and a host for each in one and the same testground."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Optional

import msgspec

from noxlib.config.detect import load_project
from noxlib.config.project import Project
from noxlib.engines import commits, git
from noxlib.engines.docker import Docker
from noxlib.errors import UsageError
from noxlib.places.container import Container
from noxlib.sessions import container_ground
from noxlib.sessions.container_ground import Made
from noxlib.sessions.grounds import Effort, Ground
from noxlib.sessions.placing import Placement

WORKING_TREE = "working tree"


class Side(msgspec.Struct, frozen=True):
    """One side: how the user may call it, and its commit; None is the working tree."""

    name: str
    commit: Optional[str]

    @property
    def shown(self) -> str:
        """``0123456789ab (HEAD~1)``, ``working tree``."""
        if self.commit is None:
            return WORKING_TREE
        short = self.commit[:12]
        return short if self.commit.startswith(self.name) else f"{short} ({self.name})"


def choose(root: Path, words: tuple[str, ...]) -> tuple[Side, Side]:
    """Base and head, as asked for, else as found.

    Without words the head is the working tree where it differs from its commit, else the commit; the base is where the
    branch left the main line, else what the head was before.

    Raises:
        UsageError: a word names no commit, or there is nothing to compare with.
    """
    head = _head(root) if len(words) < 2 else Side(words[1], commits.resolve(root, words[1]))  # noqa: PLR2004 - a pair
    if words:
        return Side(words[0], commits.resolve(root, words[0])), head
    current = head.commit or commits.resolve(root, "HEAD")
    branched = commits.branched(root, current)
    if branched:
        return Side("where the branch began", branched), head
    before = commits.parent(root, current) if head.commit else current
    if before is None:
        raise UsageError("there is no commit to compare with", "name one: nox -s perf_compare -- BASE [HEAD]")
    return Side("the commit before" if head.commit else "HEAD", before), head


def _head(root: Path) -> Side:
    found = git.head(root)
    if found is None:
        raise UsageError("there is no commit to compare with", "commit the code: git init, git add, git commit")
    return Side(WORKING_TREE, None) if found.dirty else Side("HEAD", commits.resolve(root, "HEAD"))


@contextlib.contextmanager
def code(root: Path, side: Side) -> Iterator[Path]:
    """The folder with a side's code: the checkout itself for the working tree, else a clone that goes at the end."""
    if side.commit is None:
        yield root
        return
    with commits.checkout(root, side.commit) as folder:
        yield folder


def grounds(python: str, placement: Placement, code_of: Mapping[str, Path], effort: Effort) -> dict[str, Ground]:
    """The grounds of ``base`` and ``head``: one testground, by the head's lock and configuration; each side's own code.

    Raises:
        NoxlibError: they cannot be made.
    """
    docker = placement.engine
    assert docker is not None
    head = load_project(code_of["head"])
    base = msgspec.structs.replace(load_project(code_of["base"]), config=head.config)
    made = container_ground.make(python, head, docker, effort)
    older = container_ground.in_testground(base, made.testground, docker, effort)
    return {"base": _ground(base, placement, older, docker), "head": _ground(head, placement, made, docker)}


def _ground(project: Project, placement: Placement, made: Made, docker: Docker) -> Ground:
    def host(folder: Path, keep: bool) -> Container:
        name = f"{folder.parent.name}-{folder.name}"  # the run's and the side's: unique on this machine
        return container_ground.container(docker, project, made, folder, run_id=name, keep=keep)

    return container_ground.ground(project, placement, made, host)
